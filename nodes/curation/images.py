"""One DICOM file as curation looks at it: what its header says, and its pixels as far as they can be decoded."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import ExplicitVRLittleEndian

from nodes.dicom.syntaxes import encode
from nodes.errors import Unreadable
from nodes.pull.elements import Data, NotFollowed, cut, find
from nodes.pull.frames import Floats, Frame, frames
from nodes.pull.identity import REFUSALS

IDENTIFYING: Final = (
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientAddress",
    "PatientMotherBirthName",
    "MilitaryRank",
    "MedicalRecordLocator",
    "PatientTelephoneNumbers",
    "InsurancePlanIdentification",
)
"""Attributes that say who somebody is and that no picture needs."""
FREE_TEXT: Final = (
    "StudyDescription",
    "SeriesDescription",
    "AdditionalPatientHistory",
    "PatientComments",
    "ProtocolName",
    "DerivationDescription",
    "StudyComments",
    "ImageComments",
    "RequestedProcedureDescription",
    "VisitComments",
    "AcquisitionComments",
)
"""Attributes that people write into."""
_OTHERS: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "PatientName",
    "BurnedInAnnotation",
)


@dataclass(frozen=True)
class Slice:
    """One plane without its pixels: where it lies (LPS, mm), and its `mean` (None: its pixels are broken)."""

    instance: str
    position: Floats
    orientation: Floats
    spacing: Floats
    shape: tuple[int, ...]
    mean: float | None


@dataclass(frozen=True)
class Image:
    """A file. `texts` are its attributes by keyword, those that are there. `broken` says why its pixels cannot be
    decoded (empty: they can); its `frames` are blank then, and where it cannot be placed in space at all there is none.
    """

    texts: Mapping[str, str]
    frames: Sequence[Frame]
    broken: str

    @property
    def instance(self) -> str:
        """Its SOP Instance UID."""
        return self.texts.get("SOPInstanceUID", "")

    @property
    def series(self) -> str:
        """Its Series Instance UID."""
        return self.texts.get("SeriesInstanceUID", "")

    @property
    def planes(self) -> Iterator[npt.NDArray[np.generic]]:
        """Its pixels as they are stored; none where they are broken."""
        return iter(() if self.broken else (frame.stored for frame in self.frames))

    def slices(self) -> Iterator[Slice]:
        """Its planes without their pixels."""
        for frame in self.frames:
            mean = None if self.broken else float(frame.stored.mean()) * frame.slope + frame.intercept
            shape = frame.stored.shape
            yield Slice(self.instance, frame.position, frame.orientation, frame.spacing, shape, mean)


def look(data: Data) -> Image:
    """A file, decoded. Raises Unreadable where it is no DICOM file."""
    texts = header(data)
    try:
        return Image(texts, frames(data), "")
    except Unreadable as error:
        return Image(texts, _placed(data), str(error))


def header(data: Data) -> dict[str, str]:
    """What its header says, of what is looked at here. Raises Unreadable where it is no DICOM file."""
    try:
        return _quick_texts(data)
    except NotFollowed:
        return _texts_by_pydicom(data)


def _quick_texts(data: Data) -> dict[str, str]:
    found = find(data, {tag: vr for tag, (vr, _) in _wanted().items()})
    values = {_wanted()[tag][1]: cut(data, span).rstrip(b"\0 ") for tag, span in found.items() if tag in _wanted()}
    if not all(value.isascii() for value in values.values()) or b"\x1b" in b"".join(values.values()):
        raise NotFollowed  # another character set, which pydicom knows
    return {keyword: value.decode("ascii") for keyword, value in values.items()}


def _texts_by_pydicom(data: Data) -> dict[str, str]:
    try:
        wanted = [keyword for _, keyword in _wanted().values()]
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=[*wanted])
        return {keyword: _text(dataset[keyword].value) for keyword in wanted if keyword in dataset}
    except REFUSALS as error:
        raise Unreadable(f"{len(data)} bytes that are no DICOM file ({error})") from error


def _text(value: object) -> str:
    return "\\".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value or "")


@cache
def _wanted() -> dict[int, tuple[bytes, str]]:
    """What is read of a header: tag to VR and keyword."""
    found = {}
    for keyword in (*IDENTIFYING, *FREE_TEXT, *_OTHERS):
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise LookupError(f"pydicom's dictionary has no {keyword}")
        found[tag] = (dictionary_VR(tag).encode(), keyword)
    return found


def _placed(data: Data) -> list[Frame]:
    """The frames of a file whose pixels are broken, blank; none where the pixels are not what is wrong with it."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        dataset.PixelData = bytes(get_expected_length(dataset))
        return frames(encode(dataset, ExplicitVRLittleEndian))
    except (Unreadable, *REFUSALS):
        return []
