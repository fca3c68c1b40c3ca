"""What no table of attributes helps against: text in pixels, and documents."""

import io
from typing import Final

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID

from nodes.curation.burnt_in_text import burnt_in_text, lettered
from nodes.curation.images import Image
from nodes.imports.findings import LeftOut
from nodes.pull.identity import REFUSALS

_FRACTIONS: Final = ("FloatPixelData", "DoubleFloatPixelData")


def refuse_unclean(image: Image, data: bytes) -> None:
    """Raises LeftOut for a file in whose pixels text is seen, or in which nobody can look for any. Which kind of object
    it says to be does not count: only that there are pixels."""
    kind = UID(image.texts.get("SOPClassUID", "")).name
    if kind.startswith("Encapsulated"):
        raise LeftOut(f"{kind}: a document, in which nobody has looked for names")
    if why := next(iter(burnt_in_text(image)), None):
        raise LeftOut(f"burnt-in text: {why}")
    try:
        written = _is_to_be_looked_at(image, data) and any(map(_is_lettered, iter_pixels(io.BytesIO(data))))
    except REFUSALS as error:
        raise LeftOut(f"its pixels can't be decoded, and so not be looked at for text ({str(error)[:120]})") from error
    if written:
        raise LeftOut("burnt-in text: bright thin lines of one value, as letters have")


def _is_to_be_looked_at(image: Image, data: bytes) -> bool:
    """Whether it has pixels that curation has not looked at: they lie nowhere in space, can't be decoded at all, or are
    fractions, of which it sees the whole part."""
    found = pydicom.dcmread(io.BytesIO(data), specific_tags=["PixelData", *_FRACTIONS])
    return any(one in found for one in _FRACTIONS) or (bool(image.broken) and "PixelData" in found)


def _is_lettered(plane: npt.NDArray[np.generic]) -> bool:
    grey = plane.max(axis=-1) if plane.ndim > 2 else plane
    return lettered(_whole(grey) if grey.dtype.kind == "f" else grey)


def _whole(grey: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Fractions as whole numbers: in their own steps, or in 65,535 where these are finer."""
    values = np.nan_to_num(grey.astype(np.float64), posinf=0.0, neginf=0.0)
    distinct = np.unique(values)
    step = max(np.diff(distinct).min(initial=np.inf), np.abs(distinct).max() / 65535) if distinct.size > 1 else 1.0
    return np.rint(values / step).astype(np.int64)
