"""From DICOM files to frames: one image plane each, with its place in space."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from nodes.errors import Unreadable
from nodes.pull.elements import PIXELS, Raw, find, items, within

Floats: TypeAlias = tuple[float, ...]

_SERIES, _POSITION, _ORIENTATION, _SPACING = 0x0020000E, 0x00200032, 0x00200037, 0x00280030
_ROWS, _COLUMNS, _BITS, _SIGNED = 0x00280010, 0x00280011, 0x00280100, 0x00280103
_INTERCEPT, _SLOPE = 0x00281052, 0x00281053
_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_PLACING = frozenset((_POSITION, _ORIENTATION, _SPACING, _INTERCEPT, _SLOPE))
_WANTED = _PLACING | {_SERIES, _ROWS, _COLUMNS, _BITS, _SIGNED, _SHARED, _PER_FRAME, PIXELS}
_GROUPS = frozenset(
    (0x00209113, 0x00209116, 0x00289110, 0x00289145)
)  # plane position and orientation, measures, values
_IDENTITY = ["StudyInstanceUID", "SeriesNumber", "Modality", "PatientID", "AdmittingDiagnosesCodeSequence"]
Placing: TypeAlias = Mapping[int, Raw]


@dataclass(frozen=True)
class Frame:
    """One plane. `position` is the first pixel's centre, `orientation` the directions of rows and columns (LPS, mm),
    `spacing` (between rows, between columns) in mm; the quantity is `stored × slope + intercept`."""

    series: str
    position: Floats
    orientation: Floats
    spacing: Floats
    slope: float
    intercept: float
    stored: npt.NDArray[np.generic]


def quick(data: bytes) -> list[Frame] | None:
    """The frames of an uncompressed 16-bit file, single- or multi-frame; None where pydicom must read it."""
    top = find(data, _WANTED)
    if top is None or not top.keys() >= {_SERIES, _ROWS, _COLUMNS, _BITS, PIXELS}:
        return None
    rows, columns, bits = (int.from_bytes(top[tag], "little") for tag in (_ROWS, _COLUMNS, _BITS))
    places = _placed(top) if _PER_FRAME in top else [top]
    if places is None or bits != 16 or len(top[PIXELS]) != 2 * rows * columns * len(places):
        return None
    kind = "<i2" if top.get(_SIGNED) == b"\1\0" else "<u2"
    stored = np.frombuffer(top[PIXELS], kind).reshape(len(places), rows, columns)
    series = bytes(top[_SERIES]).rstrip(b"\0 ").decode("ascii")
    try:
        return [_framed(series, place, plane) for place, plane in zip(places, stored, strict=True)]
    except (KeyError, ValueError):
        return None  # pydicom says it better


def _placed(top: Placing) -> list[Placing] | None:
    """What places each frame of an Enhanced image: its own functional groups over the shared ones (PS3.3, C.7.6.16)."""
    shared = [_flat(item) for item in items(top.get(_SHARED, b"")) or [b""]]
    own = [_flat(item) for item in items(top[_PER_FRAME]) or []]
    if shared[0] is None or not own:
        return None
    return [{**shared[0], **one} for one in own if one is not None]


def _flat(groups: Raw) -> Placing | None:
    """The placing elements of all functional groups that one item holds."""
    found: dict[int, Raw] = {}
    for sequence in (within(groups, _GROUPS) or {}).values():
        inner = items(sequence)
        content = within(inner[0], _PLACING) if inner else None
        if content is None:
            return None
        found.update(content)
    return found


def _framed(series: str, place: Placing, stored: npt.NDArray[np.generic]) -> Frame:
    return Frame(
        series=series,
        position=_floats(place[_POSITION]),
        orientation=_floats(place[_ORIENTATION]),
        spacing=_floats(place[_SPACING]),
        slope=_floats(place.get(_SLOPE, b"1"))[0],
        intercept=_floats(place.get(_INTERCEPT, b"0"))[0],
        stored=stored,
    )


def _floats(raw: Raw) -> Floats:
    return tuple(map(float, bytes(raw).split(b"\\")))


def header(data: bytes) -> Dataset:
    """Whose the file is and what its label says, by pydicom; raises Unreadable."""
    try:
        return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(_IDENTITY))
    except (InvalidDicomError, OSError, ValueError) as error:
        raise Unreadable(f"the PACS sent {len(data)} bytes that are no DICOM file ({error})") from error


def by_pydicom(data: bytes) -> Iterator[Frame]:
    """All frames of a file, single- or multi-frame, in any encoding that pydicom can decode; raises Unreadable."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        pixels = dataset.pixel_array
        if "PerFrameFunctionalGroupsSequence" not in dataset:
            yield _plain(dataset, pixels)
            return
        shared = dataset.SharedFunctionalGroupsSequence[0]
        for groups, plane in zip(
            dataset.PerFrameFunctionalGroupsSequence, pixels.reshape(-1, *pixels.shape[-2:]), strict=True
        ):
            yield _of_groups(str(dataset.SeriesInstanceUID), groups, shared, plane)
    except (
        InvalidDicomError,
        AttributeError,
        KeyError,
        ValueError,
        OSError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise Unreadable(f"the PACS sent a DICOM file without an image that can be placed in space: {error}") from error


def _plain(dataset: Dataset, pixels: npt.NDArray[np.generic]) -> Frame:
    return Frame(
        series=str(dataset.SeriesInstanceUID),
        position=tuple(map(float, dataset.ImagePositionPatient)),
        orientation=tuple(map(float, dataset.ImageOrientationPatient)),
        spacing=tuple(map(float, dataset.PixelSpacing)),
        slope=float(dataset.get("RescaleSlope", 1)),
        intercept=float(dataset.get("RescaleIntercept", 0)),
        stored=pixels,
    )


def _of_groups(series: str, own: Dataset, shared: Dataset, plane: npt.NDArray[np.generic]) -> Frame:
    """A frame of an Enhanced image: each functional group is the frame's own, or else the shared one (PS3.3,
    C.7.6.16)."""

    def group(name: str) -> Dataset:
        return (own if name in own else shared)[name][0]  # type: ignore[no-any-return]  # pydicom types elements as Any

    position = group("PlanePositionSequence").ImagePositionPatient
    orientation = group("PlaneOrientationSequence").ImageOrientationPatient
    spacing = group("PixelMeasuresSequence").PixelSpacing
    values = group("PixelValueTransformationSequence")
    return Frame(
        series=series,
        position=tuple(map(float, position)),
        orientation=tuple(map(float, orientation)),
        spacing=tuple(map(float, spacing)),
        slope=float(values.RescaleSlope),
        intercept=float(values.RescaleIntercept),
        stored=plane,
    )
