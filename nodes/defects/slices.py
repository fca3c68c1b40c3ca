"""Defects of which slices there are, and where they are said to lie."""

from nodes.defects.defect import Defect
from nodes.defects.kinds import in_images
from nodes.defects.stacks import Stack


@in_images("missing-slice")
def missing_slice(stack: Stack, defect: Defect) -> None:
    """A transfer lost one; never one at the end, whose absence nobody could see."""
    stack.drop(defect.slice_of(len(stack)))


@in_images("doubled-slice")
def doubled_slice(stack: Stack, defect: Defect) -> None:
    """One was sent twice, under two UIDs."""
    stack.double(defect.slice_of(len(stack)))


@in_images("inconsistent-geometry")
def inconsistent_geometry(stack: Stack, defect: Defect) -> None:
    """One slice has other pixels, or lies askew: in the first half of a series the one, in the second the other."""
    index = defect.slice_of(len(stack))
    if defect.place < 0.5:
        stack.put(index, "PixelSpacing", [round(1.25 * float(mm), 4) for mm in stack.get(index, "PixelSpacing")])
    else:
        stack.put(index, "ImageOrientationPatient", [1.0, 0.0, 0.0, 0.0, 0.9848, 0.1736])  # turned by 10°


@in_images("two-volumes")
def two_volumes(stack: Stack, defect: Defect) -> None:
    """Two acquisitions share a series: the second one in the same place, half as bright, as a second echo is."""
    for index in reversed(range(len(stack))):
        stack.double(index)
        stack.plane(index + 1)[...] //= 2
