"""A modality that is not that of the SOP class (PS3.3, C.7.3.1.1.1)."""

from collections.abc import Iterator, Mapping
from typing import Final

from nodes.curation.checks import of_image
from nodes.curation.images import Image

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_MODALITIES: Final[Mapping[str, str]] = {
    _STORAGE + "1": "CR",
    _STORAGE + "1.2": "MG",
    _STORAGE + "2": "CT",
    _STORAGE + "2.1": "CT",
    _STORAGE + "4": "MR",
    _STORAGE + "4.1": "MR",
    _STORAGE + "4.4": "MR",
    _STORAGE + "6.1": "US",
    _STORAGE + "12.1": "XA",
    _STORAGE + "20": "NM",
    _STORAGE + "128": "PT",
    _STORAGE + "130": "PT",
}
"""Of the SOP classes that are for one modality only."""


@of_image("wrong-modality")
def wrong_modality(image: Image) -> Iterator[str]:
    """An image of one machine that is said to be of another."""
    said, meant = image.texts.get("Modality", ""), _MODALITIES.get(image.texts.get("SOPClassUID", ""))
    if meant and said != meant:
        yield f"Modality is '{said}', but the SOP class is for {meant}"
