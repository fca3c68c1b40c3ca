"""An instance put together again from its metadata (DICOM JSON) and its frames, where a server gives no files.

What comes out is the same image with the same attributes, but other bytes than the archive's file. Bulk data beside the
pixels (overlays, large private values) stay behind: no image is made from them.
"""

import io
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from nodes.errors import Unreadable
from nodes.pull.identity import REFUSALS
from nodes.pull.multipart import Splitter, boundary_of
from nodes.pull.packs import LARGEST_BYTES
from nodes.pull.web import Answer, Web

_JSON: Final = ("application/dicom+json", "application/json")
_PLAIN: Final = 'multipart/related; type="application/octet-stream"'
_FRAMES: Final = (f"{_PLAIN}; transfer-syntax=1.2.840.10008.1.2.1", _PLAIN, "application/octet-stream")
_MOST_METADATA: Final = 64 * 2**20
_AT_ONCE: Final = 100  # frames of a question: their numbers stand in its address
_PIXELS: Final = "7FE00010"
_PIXEL_HEAD: Final = struct.Struct("<HH2sHI")
_FORM: Final = ("Rows", "Columns", "BitsAllocated")

Keep = Callable[[memoryview | bytes], None]


def rebuild(web: Web, path: str, keep: Keep) -> int:
    """Gives an instance's file to `keep`, piece by piece; the bytes of the answers. `path` is the instance's below the
    DICOMweb root. Raises Declined, Cut, and Unreadable.
    """
    with web.get(f"{path}/metadata", "list", _JSON) as answer:
        dataset, carried = _dataset(answer.content(_MOST_METADATA)), answer.received
    try:
        count = int(dataset.get("NumberOfFrames") or 1)
        rows, columns, bits = (int(dataset[name].value) for name in _FORM)
        frame = rows * columns * int(dataset.get("SamplesPerPixel") or 1) * bits // 8
        head = _head(dataset)
    except REFUSALS as error:
        raise Unreadable(f"its metadata do not say how large its frames are ({error})") from error
    size = frame * count
    if not 0 < size <= min(LARGEST_BYTES, 0xFFFFFFFE):
        raise Unreadable(f"its metadata tell of {count} frames of {frame} bytes")
    keep(head + _PIXEL_HEAD.pack(0x7FE0, 0x0010, b"OW" if bits > 8 else b"OB", 0, size + size % 2))
    for first in range(1, count + 1, _AT_ONCE):
        last = min(first + _AT_ONCE - 1, count)
        numbers = ",".join(map(str, range(first, last + 1)))
        with web.get(f"{path}/frames/{numbers}", "frames", _FRAMES) as answer:
            _frames(answer, frame, last - first + 1, keep)
            carried += answer.received
    if size % 2:
        keep(b"\0")
    return carried


def _dataset(content: bytes) -> Dataset:
    """The attributes, without pixels and whatever else is only referred to. Raises Unreadable."""
    try:
        (item,) = json.loads(content)
        item = {tag: element for tag, element in item.items() if tag < _PIXELS and not _elsewhere(element)}
        return Dataset.from_json(item)
    except (*REFUSALS, RecursionError) as error:
        raise Unreadable(f"its metadata are not those of one instance as DICOM JSON ({error!s:.100})") from error


def _elsewhere(element: Any) -> bool:
    """Whether a value, or one inside a sequence, is only referred to."""
    if "BulkDataURI" in element:
        return True
    items = element.get("Value", ()) if element.get("vr") == "SQ" else ()
    return any(_elsewhere(inner) for item in items for inner in item.values())


def _head(dataset: Dataset) -> bytes:
    """A file up to where its pixels begin."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.file_meta = meta
    for element in [element for element in dataset if element.tag.group in (0x0000, 0x0002)]:
        del dataset[element.tag]
    written = io.BytesIO()
    pydicom.dcmwrite(written, dataset, enforce_file_format=True)
    return written.getvalue()


def _frames(answer: Answer, size: int, count: int, keep: Keep) -> None:
    """Keeps the frames of an answer. Raises Unreadable where they are not as many bytes as they should be."""
    came = 0
    for piece in _pieces(answer):
        came += len(piece)
        if came > size * count:
            break
        keep(piece)
    if came != size * count:
        raise Unreadable(f"its frames have {came} bytes or more; its metadata say {count} of {size}")


def _pieces(answer: Answer) -> Iterator[memoryview | bytes]:
    if not answer.content_type.lower().startswith("multipart/"):
        yield from answer.chunks()
        return
    splitter = Splitter(boundary_of(answer.content_type))
    for chunk in answer.chunks():
        yield from (piece.data for piece in splitter.feed(chunk))
    splitter.finish()
