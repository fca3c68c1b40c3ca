"""Letters in the pixels.

Whoever writes into an image draws with one value. So letters are many pixels of exactly one bright value, far more than
of the values around it, and nearly each has something far darker beside it. Anatomy and noise spread over many values,
and what is saturated is a patch with pixels inside. Letters that were smoothed or compressed with loss are not found.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from nodes.curation.checks import of_image
from nodes.curation.images import Image

_FEWEST = 24
"""Pixels of three letters or so."""
_NEAR: Final = 10
"""Values to each side that a histogram without letters would spread over …"""
_PEAK: Final = 4
"""… and how many times the usual one of these the letters' value must come."""
_BRIGHT: Final = 0.4
"""Of the slice's brightest."""
_DARK: Final = 0.6
"""Of the letters' own value."""
_THIN: Final = 0.85
"""Share of the letters' pixels with something dark right beside them."""


@of_image("burnt-in-text")
def burnt_in_text(image: Image) -> Iterator[str]:
    """What the header owns up to, and what is seen in the pixels all the same."""
    if image.texts.get("BurnedInAnnotation") == "YES":
        yield "Burned In Annotation is YES"
    written = [number for number, plane in enumerate(image.planes, start=1) if lettered(plane)]
    if written:
        where = f" in frames {written[0]} to {written[-1]}" if len(image.frames) > 1 else ""
        yield f"bright thin lines of one value, as letters have{where}"


def lettered(plane: npt.NDArray[np.generic]) -> bool:
    """Whether there is something like letters in a slice."""
    pixels = plane.astype(np.int64)
    brightest = int(pixels.max(initial=0))
    values, counts = np.unique(pixels[pixels > _BRIGHT * brightest], return_counts=True)
    often = values[counts >= _FEWEST]
    return any(_is_peak(values, counts, int(value)) and _is_thin(pixels, int(value)) for value in often)


def _is_peak(values: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], value: int) -> bool:
    near = counts[(np.abs(values - value) <= _NEAR) & (values != value)]
    usual = float(near.sum()) / (2 * _NEAR)
    return float(counts[values == value][0]) >= _PEAK * usual


def _is_thin(pixels: npt.NDArray[np.int64], value: int) -> bool:
    dark = np.pad(pixels < _DARK * value, 1)
    beside = dark[:-2, 1:-1] | dark[2:, 1:-1] | dark[1:-1, :-2] | dark[1:-1, 2:]
    return bool(beside[pixels == value].mean() >= _THIN)
