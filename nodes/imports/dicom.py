"""Whose a DICOM file is, and whether it is whole."""

import mmap
import re
import warnings
from pathlib import Path
from typing import IO, Final

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from nodes.dicom import labels
from nodes.dicom.deflated import inflates_beyond
from nodes.errors import Unreadable
from nodes.imports.findings import Instance, LeftOut
from nodes.pull.identity import REFUSALS

_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_KEYWORDS: Final = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "PatientID",
    "Modality",
    "StudyDate",
    "AdmittingDiagnosesCodeSequence",
    *_PIXELS,
]
_LARGE_BYTES: Final = 4096  # values above are passed over, not read
_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_MOST_INFLATED_BYTES: Final = 1 << 30
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID: Final = 64
_UNDEFINED: Final = 0xFFFFFFFF
_DAY: Final = re.compile(r"[0-9]{8}")


def is_dicom(path: Path) -> bool:
    """Whether a file has the mark of DICOM files (PS3.10, 7.1)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read(path: Path) -> Instance:
    """What a DICOM file says of itself; raises LeftOut where that is not enough, or the file is cut."""
    size = path.stat().st_size
    with path.open("rb") as file, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            _refuse_bomb(file)
            dataset = pydicom.dcmread(file, defer_size=_LARGE_BYTES, specific_tags=_KEYWORDS)
            cut_short = any("end of file" in str(one.message).lower() for one in told) or _is_short(dataset)
            if cut_short or file.tell() > size:
                raise LeftOut(f"truncated: its last value ends behind the file's {size:,} bytes")
            _refuse_pixelless(dataset)
            return _instance(dataset)
        except REFUSALS as error:
            raise LeftOut(f"damaged: {type(error).__name__}: {str(error)[:200]}") from error


def _refuse_bomb(file: IO[bytes]) -> None:
    """pydicom inflates a deflated file whole; so it is tried first how much that would be."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
        if inflates_beyond(data, _MOST_INFLATED_BYTES):
            raise LeftOut(f"a deflated file of {len(data):,} bytes that unpacks to more than a GiB")


def _instance(dataset: Dataset) -> Instance:
    if str(dataset.get("SOPClassUID", "")) == _DIRECTORY or _is_directory(dataset):
        raise LeftOut("the directory of a DICOM medium (DICOMDIR), no image")
    day = str(dataset.get("StudyDate") or "")
    patient = str(dataset.get("PatientID") or "").strip()
    return Instance(
        sop=_uid(dataset, "SOPInstanceUID"),
        study=_uid(dataset, "StudyInstanceUID"),
        series=_uid(dataset, "SeriesInstanceUID"),
        patient=patient,
        modality=str(dataset.get("Modality") or "")[:16],
        label=_label(dataset),
        subject=patient,
        image="",
        day=day if _DAY.fullmatch(day) else "",
    )


def _is_directory(dataset: Dataset) -> bool:
    meta = getattr(dataset, "file_meta", None)
    return meta is not None and str(meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY


def _uid(dataset: Dataset, keyword: str) -> str:
    """It becomes the name of a folder or a file."""
    found = str(dataset.get(keyword) or "")
    if not found:
        raise LeftOut(f"it has no {keyword}")
    if len(found) > _LONGEST_UID or not _UID.fullmatch(found):
        raise LeftOut(f"its {keyword} is {found[:80]!r}; expected digits and dots, {_LONGEST_UID} at most")
    return found


def _label(dataset: Dataset) -> str:
    try:
        return labels.read(labels.codes(dataset), "")
    except Unreadable:
        return ""


def _is_short(dataset: Dataset) -> bool:
    """Whether pixels that are few enough to have been read are fewer than their length says."""
    for name in _PIXELS:
        found = dataset.get_item(name)
        if (
            isinstance(found, RawDataElement)
            and found.value is not None
            and len(found.value) < found.length < _UNDEFINED
        ):
            return True
    return False


def _refuse_pixelless(dataset: Dataset) -> None:
    """A file that was cut between two elements looks whole; an image without pixels gives it away."""
    kind = UID(str(dataset.get("SOPClassUID", ""))).name
    if "Image Storage" in kind and not any(name in dataset for name in _PIXELS):
        raise LeftOut(f"truncated, or damaged: {kind} without pixels")
