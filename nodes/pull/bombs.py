"""Small files that would become huge: they are refused before anything is made of them."""

import zlib
from typing import Final

from pydicom.dataset import Dataset

from nodes.errors import Unreadable
from nodes.pull.elements import Data

_LARGEST: Final = 4 * 2**30
_SMALL: Final = 2**20
_MOST_AT_ONCE: Final = 2**20
_CODEC_RATIO: Final = 2000
"""No codec makes an image of more than 1 MiB so many times smaller."""
_DEFLATE_RATIO: Final = 200
"""What is of some size and deflates better is not an image: noise alone keeps a tenth of it."""
_DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
_META = slice(132, 1024)


def refuse_deflated_bomb(data: Data) -> None:
    """Raise Unreadable for a deflated file that would be 200 times as large, before pydicom inflates it as a whole."""
    if _DEFLATED not in bytes(data[_META]):
        return
    place = 144 + int.from_bytes(bytes(data[140:144]), "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total, rest = 0, bytes(data[place:])
    while rest and not inflater.eof:
        try:
            total += len(inflater.decompress(rest, _MOST_AT_ONCE))
        except zlib.error as error:
            raise Unreadable(f"a file that says that it is deflated, and is not ({error})") from error
        rest = inflater.unconsumed_tail
        if total > max(64 * _SMALL, _DEFLATE_RATIO * len(data)):
            raise Unreadable(f"{len(data)} bytes that inflate to more than {total >> 20} MiB")


def refuse_pixel_bomb(dataset: Dataset) -> None:
    """Raise Unreadable where an image declares sizes that its bytes cannot be."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frames, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    declared = rows * columns * frames * samples * int(dataset.BitsAllocated) // 8
    found = sum(len(dataset[name].value) for name in _PIXELS if name in dataset)
    if declared > _LARGEST or declared > max(_SMALL, _CODEC_RATIO * found):
        raise Unreadable(
            f"it declares {frames} frames of {rows} × {columns} pixels, {declared} bytes, and has {found} for them"
        )


_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
