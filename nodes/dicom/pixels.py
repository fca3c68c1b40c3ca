"""Pixels and their geometry, slice by slice."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from nodes.phantoms.volumes import Scan

AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def describe(dataset: Dataset, scan: Scan, bits: int) -> None:
    """Add the Image Pixel module, without the pixels."""
    _, rows, columns = scan.stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, bits, bits - 1, 0


def positions(scan: Scan) -> Iterator[tuple[float, float, float]]:
    """The centre of each slice's first pixel, LPS mm, as Image Position (Patient) wants it."""
    _, y, x = scan.grid.origin
    for z in scan.grid.axes[0]:
        yield round(x, 4), round(y, 4), round(float(z), 4)
