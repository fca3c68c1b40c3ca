"""Pixels that cannot be decoded: cut short, or no image of the form that the header says."""

from collections.abc import Iterator

from nodes.curation.checks import of_image
from nodes.curation.images import Image


@of_image("broken-pixels")
def broken_pixels(image: Image) -> Iterator[str]:
    """What the decoder says of a file that can be placed in space all the same."""
    if image.broken and image.frames:
        yield image.broken


@of_image("no-geometry")
def no_geometry(image: Image) -> Iterator[str]:
    """What is no image, or one that does not say where in space it lies."""
    if not image.frames:
        yield image.broken
