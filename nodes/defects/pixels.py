"""Defects of the picture itself."""

from typing import Final

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_fragments

from nodes.defects.defect import Defect
from nodes.defects.kinds import in_file, in_images
from nodes.defects.stacks import Plane, Stack

# Three columns by five rows a letter, one octal digit a row.
_LETTERS: Final = {
    "0": 0o75557,
    "1": 0o26227,
    "2": 0o71747,
    "3": 0o71717,
    "4": 0o55711,
    "5": 0o74717,
    "6": 0o74757,
    "7": 0o71111,
    "8": 0o75757,
    "9": 0o75717,
    "A": 0o25755,
    "D": 0o65556,
    "E": 0o74747,
    "I": 0o72227,
    "L": 0o44447,
    "M": 0o57755,
    "N": 0o65555,
    "O": 0o75557,
    "R": 0o65655,
    "S": 0o74717,
}
_TEXTS: Final = ("DOE 1943", "ROE 1938", "NIM 1951", "ELA 1949")
_MARGIN = 2
_PAINTED = 3
_SPIKE = 2.5


def _letters(text: str) -> Plane:
    """A text as ones on zeros, five rows high."""
    drawn = np.zeros((5, 4 * len(text)), np.uint16)
    for place, letter in enumerate(text):
        bits = _LETTERS.get(letter, 0)
        glyph = np.array([bits >> (14 - at) & 1 for at in range(15)], np.uint16).reshape(5, 3)
        drawn[:, 4 * place : 4 * place + 3] = glyph
    return drawn


@in_images("burnt-in-text")
def burnt_in_text(stack: Stack, defect: Defect) -> None:
    """A workstation wrote a name and a year of birth into the pixels of some slices, and left no word of it."""
    text = _letters(_TEXTS[int(defect.place * 1000) % len(_TEXTS)])
    brightest = max(int(stack.plane(index).max()) for index in range(len(stack)))
    first = defect.slice_of(len(stack))
    for index in range(first, min(first + _PAINTED, len(stack))):
        corner = stack.plane(index)[_MARGIN : _MARGIN + text.shape[0], _MARGIN : _MARGIN + text.shape[1]]
        corner[text[: corner.shape[0], : corner.shape[1]] > 0] = round(0.8 * brightest)


@in_images("intensity-outlier")
def intensity_outlier(stack: Stack, defect: Defect) -> None:
    """One slice is two and a half times as bright as its neighbours, as after a reconstruction that lost its scale."""
    largest = (1 << stack.headers()[0].BitsStored) - 1
    plane = stack.plane(defect.slice_of(len(stack)))
    plane[...] = np.minimum(plane * _SPIKE, largest).astype(np.uint16)


@in_file("broken-pixels")
def broken_pixels(dataset: FileDataset, defect: Defect) -> None:
    """The second half of a picture is not there: of a file of many frames, of the one that is meant."""
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        _, *fragments = generate_fragments(dataset.PixelData)
        index = round(defect.place * (len(fragments) - 1))
        fragments[index] = fragments[index][: len(fragments[index]) // 4 * 2]
        dataset.PixelData = encapsulate(fragments)
    else:
        dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 4 * 2]
