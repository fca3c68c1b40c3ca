"""Small files that would become huge: they are refused before anything is made of them."""

import zlib
from typing import Final

from pydicom.dataset import Dataset

from nodes.dicom.deflated import inflates_beyond
from nodes.errors import Unreadable
from nodes.pull.elements import Data

_LARGEST: Final = 4 * 2**30
_SMALL: Final = 2**20
_CODEC_RATIO: Final = 2000
"""No codec makes an image of more than 1 MiB so many times smaller."""
_DEFLATE_RATIO: Final = 200
"""What is of some size and deflates better is not an image: noise alone keeps a tenth of it."""


def refuse_deflated_bomb(data: Data) -> None:
    """Raise Unreadable for a deflated file that would be 200 times as large, before pydicom inflates it as a whole."""
    most = max(64 * _SMALL, _DEFLATE_RATIO * len(data))
    try:
        if inflates_beyond(data, most):
            raise Unreadable(f"{len(data)} bytes that inflate to more than {most >> 20} MiB")
    except zlib.error as error:
        raise Unreadable(f"a file that says that it is deflated, and is not ({error})") from error


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
