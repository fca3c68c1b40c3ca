"""From DICOM files to frames: one image plane each, with its place in space."""

import io
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset

from nodes.errors import Unreadable
from nodes.pull.bombs import refuse_deflated_bomb, refuse_pixel_bomb
from nodes.pull.elements import Data, NotFollowed, Span, cut, find, items, only_item, within
from nodes.pull.identity import REFUSALS, uid

Floats: TypeAlias = tuple[float, ...]

_SERIES, _POSITION, _ORIENTATION, _SPACING = 0x0020000E, 0x00200032, 0x00200037, 0x00280030
_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _SIGNED, _INTERCEPT, _SLOPE = 0x00280100, 0x00280101, 0x00280103, 0x00281052, 0x00281053
_SHARED, _PER_FRAME, _PIXELS = 0x52009229, 0x52009230, 0x7FE00010
_NUMBERS: Final[Mapping[int, int]] = {_POSITION: 3, _ORIENTATION: 6, _SPACING: 2, _INTERCEPT: 1, _SLOPE: 1}
_IMAGE: Final[Mapping[int, bytes]] = {
    _SERIES: b"UI",
    _PHOTOMETRIC: b"CS",
    **dict.fromkeys((_SAMPLES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _SIGNED), b"US"),
    _PIXELS: b"OW",
}
_OTHER_PIXELS: Final[Mapping[int, bytes]] = {0x7FE00008: b"OF", 0x7FE00009: b"OD"}
_WANTED: Final[Mapping[int, bytes]] = {
    **dict.fromkeys(_NUMBERS, b"DS"),
    **_IMAGE,
    **_OTHER_PIXELS,
    _FRAMES: b"IS",
    _SHARED: b"SQ",
    _PER_FRAME: b"SQ",
}
_WHERE, _DIRECTION, _MEASURES, _VALUES = 0x00209113, 0x00209116, 0x00289110, 0x00289145
_IN_GROUP: Final[Mapping[int, Mapping[int, bytes]]] = {
    _WHERE: {_POSITION: b"DS"},
    _DIRECTION: {_ORIENTATION: b"DS"},
    _MEASURES: {_SPACING: b"DS"},
    _VALUES: {_INTERCEPT: b"DS", _SLOPE: b"DS"},
}
_GROUPS: Final[Mapping[int, bytes]] = dict.fromkeys(_IN_GROUP, b"SQ")
Placing: TypeAlias = Mapping[int, Floats]


class Frame(NamedTuple):
    """One plane. `position` is the first pixel's centre, `orientation` the directions of rows and columns (LPS, mm),
    `spacing` (between rows, between columns) in mm; the quantity is `stored × slope + intercept`."""

    series: str
    position: Floats
    orientation: Floats
    spacing: Floats
    slope: float
    intercept: float
    stored: npt.NDArray[np.generic]


def frames(data: Data) -> list[Frame]:
    """The frames of a DICOM file, one at least; raises Unreadable."""
    try:
        return quick(data)
    except NotFollowed:
        return by_pydicom(data)


def quick(data: Data) -> list[Frame]:
    """The frames of an uncompressed 16-bit file, single- or multi-frame. Raises NotFollowed where pydicom must
    read it."""
    top = find(data, _WANTED)
    if not top.keys() >= _IMAGE.keys() or top.keys() & _OTHER_PIXELS.keys():
        raise NotFollowed
    try:
        placed = _placed_by_groups(data, top) if _PER_FRAME in top else [_placing(data, top)]
        series = uid(data, top[_SERIES])
        return [
            Frame(
                series,
                place[_POSITION],
                place[_ORIENTATION],
                place[_SPACING],
                place.get(_SLOPE, (1.0,))[0],
                place.get(_INTERCEPT, (0.0,))[0],
                plane,
            )
            for place, plane in zip(placed, _planes(data, top, len(placed)), strict=True)
        ]
    except (KeyError, ValueError):
        raise NotFollowed from None  # pydicom says it better


def _planes(data: Data, top: Mapping[int, Span], count: int) -> npt.NDArray[np.generic]:
    """The stored pixels, where they stand in the file: (count, rows, columns)."""
    samples, rows, columns, allocated, stored, signed = (
        _short(data, top[tag]) for tag in (_SAMPLES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _SIGNED)
    )
    start, stop = top[_PIXELS]
    told = int(cut(data, top[_FRAMES])) if _FRAMES in top else 1
    grey = cut(data, top[_PHOTOMETRIC]).rstrip(b" ") in (b"MONOCHROME1", b"MONOCHROME2")
    if not (grey and samples == 1 and allocated == 16 and 0 < stored <= 16 and signed <= 1 and told == count):
        raise NotFollowed
    if not rows * columns or stop - start != 2 * rows * columns * count:
        raise NotFollowed
    kind = "<i2" if signed else "<u2"
    planes = np.frombuffer(data, kind, rows * columns * count, start).reshape(count, rows, columns)
    if stored < 16:  # other things may stand in the bits above, which pydicom clears
        limit = 1 << (stored - signed)
        if planes.max() >= limit or (signed and planes.min() < -limit):
            raise NotFollowed
    return planes


def _short(data: Data, span: Span) -> int:
    if span[1] - span[0] != 2:
        raise NotFollowed
    return int.from_bytes(cut(data, span), "little")


def _placed_by_groups(data: Data, top: Mapping[int, Span]) -> list[Placing]:
    """What places each frame of an Enhanced image: each functional group is the frame's own, or else the shared one
    (PS3.3, C.7.6.16)."""
    shared = _groups(data, only_item(data, top[_SHARED])) if _SHARED in top else {}
    return [{**shared, **_groups(data, frame)} for frame in items(data, top[_PER_FRAME])]


def _groups(data: Data, item: Span) -> Placing:
    """What the functional groups that an item holds say; whole groups only, so that one can stand for another."""
    found: dict[int, Floats] = {}
    for group, sequence in within(data, item, _GROUPS).items():
        content = within(data, only_item(data, sequence), _IN_GROUP[group])
        if len(content) < len(_IN_GROUP[group]):
            raise NotFollowed
        for tag, span in content.items():
            found[tag] = _numbers(cut(data, span).split(b"\\"), _NUMBERS[tag])
    return found


def _placing(data: Data, found: Mapping[int, Span]) -> Placing:
    return {tag: _numbers(cut(data, found[tag]).split(b"\\"), _NUMBERS[tag]) for tag in found if tag in _NUMBERS}


def _numbers(values: Iterable[object], count: int) -> Floats:
    """Raises ValueError where they are not `count` finite numbers."""
    numbers = tuple(map(float, values))  # type: ignore[arg-type]  # bytes and pydicom's DS: float takes both
    if len(numbers) != count or not math.isfinite(sum(numbers)):
        raise ValueError(f"expected {count} finite numbers, found {numbers}")
    return numbers


def by_pydicom(data: Data) -> list[Frame]:
    """All frames of a file, single- or multi-frame, in any encoding that pydicom can decode; raises Unreadable."""
    refuse_deflated_bomb(data)
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        refuse_pixel_bomb(dataset)
        found = list(_by_groups(dataset) if "PerFrameFunctionalGroupsSequence" in dataset else _plain(dataset))
        if not found:
            raise ValueError("no frame in it")
    except REFUSALS as error:
        raise Unreadable(f"the PACS sent a DICOM file without an image that can be placed in space: {error}") from error
    return found


def _plain(dataset: Dataset) -> Iterator[Frame]:
    pixels = dataset.pixel_array
    if pixels.ndim != 2:
        raise ValueError(f"pixels of shape {pixels.shape} in a file of one frame")
    yield _frame(str(dataset.SeriesInstanceUID), dict.fromkeys(_KEYWORDS, dataset), pixels)


def _by_groups(dataset: Dataset) -> Iterator[Frame]:
    """The frames of an Enhanced image: each functional group is the frame's own, or else the shared one."""
    pixels = dataset.pixel_array
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    series = str(dataset.SeriesInstanceUID)
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    for own, plane in zip(dataset.PerFrameFunctionalGroupsSequence, planes, strict=True):
        groups = {
            name: (own if name in own else shared)[name][0] for name in _KEYWORDS if name in own or name in shared
        }
        yield _frame(series, groups, plane)


_KEYWORDS: Final = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
)


def _frame(series: str, groups: Mapping[str, Dataset], stored: npt.NDArray[np.generic]) -> Frame:
    """Places a plane by its functional groups; a file of one frame has it all at its top level."""
    where, direction, measures, values = (groups.get(name, Dataset()) for name in _KEYWORDS)
    return Frame(
        series=series,
        position=_numbers(where.ImagePositionPatient, 3),
        orientation=_numbers(direction.ImageOrientationPatient, 6),
        spacing=_numbers(measures.PixelSpacing, 2),
        slope=_numbers([values.get("RescaleSlope", 1)], 1)[0],
        intercept=_numbers([values.get("RescaleIntercept", 0)], 1)[0],
        stored=stored,
    )
