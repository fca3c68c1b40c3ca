"""Slices that do not make one even stack: lost, there twice, of another shape, or of two volumes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from nodes.curation.checks import of_series
from nodes.curation.images import Slice

_SAME_MM: Final = 1e-3
_UNEVEN: Final = 0.05
"""Of the distance between slices, as the pull has it (nodes.pull.studies)."""
_ANOTHER_VOLUME: Final = 0.2
"""Share of a series' slices that are not like the rest, or lie where another one lies: fewer are accidents."""


@of_series("missing-slice")
def missing_slice(slices: Sequence[Slice]) -> Iterator[tuple[str, str]]:
    """Gaps of two distances and more. None is seen at the ends of a series."""
    gaps = _gaps(slices)
    usual = _usual(gaps)
    for before, gap in zip(slices, gaps, strict=False):
        lost = round(gap / usual) - 1 if usual else 0
        if lost > 0 and abs(gap - (lost + 1) * usual) <= _UNEVEN * usual * (lost + 1):
            yield before.instance, f"after it {lost} slices are missing: {gap:.2f} mm to the next, not {usual:.2f}"


@of_series("doubled-slice")
def doubled_slice(slices: Sequence[Slice]) -> Iterator[tuple[str, str]]:
    """Two slices in one place, a few times."""
    doubled = [(before, after) for before, after in pairwise(slices) if _distance(before, after) < _SAME_MM]
    if not _are_many(len(doubled), len(slices) - len(doubled)):
        for _, after in doubled:
            yield after.instance, "another slice lies in the same place"


@of_series("two-volumes")
def two_volumes(slices: Sequence[Slice]) -> Iterator[tuple[str, str]]:
    """Slices in one place many times over, or many of another form or direction."""
    doubled = sum(_distance(before, after) < _SAME_MM for before, after in pairwise(slices))
    other = len(_unlike(slices))
    if _are_many(doubled, len(slices) - doubled):
        yield "", f"{doubled} of {len(slices)} slices lie where another one lies"
    elif _are_many(other, len(slices)):
        yield "", f"{other} of {len(slices)} slices differ from the rest in orientation, spacing or size"


@of_series("inconsistent-geometry")
def inconsistent_geometry(slices: Sequence[Slice]) -> Iterator[tuple[str, str]]:
    """A few slices of another form or direction, and distances that are not even."""
    other = _unlike(slices)
    if not _are_many(len(other), len(slices)):
        for one in other:
            yield one.instance, f"it differs in orientation, spacing or size: {one.spacing} mm, {one.shape}"
    gaps = _gaps(slices)
    usual = _usual(gaps)
    for before, gap in zip(slices, gaps, strict=False):
        whole = max(1, round(gap / usual)) if usual else 1
        if gap >= _SAME_MM and abs(gap - whole * usual) > _UNEVEN * usual * whole:
            yield before.instance, f"{gap:.2f} mm to the next slice, not {usual:.2f}"


def _are_many(some: int, of: int) -> bool:
    return some > 1 and some >= _ANOTHER_VOLUME * of


def _unlike(slices: Sequence[Slice]) -> list[Slice]:
    """The slices whose form is not that of most. Decimal strings are compared with their rounding."""
    forms = [(*(round(x, 3) for x in one.orientation + one.spacing), *one.shape) for one in slices]
    (usual, _), *_ = Counter(forms).most_common(1) or [((), 0)]
    return [one for one, form in zip(slices, forms, strict=True) if form != usual]


def _distance(before: Slice, after: Slice) -> float:
    return float(np.linalg.norm(np.subtract(after.position, before.position)))


def _gaps(slices: Sequence[Slice]) -> list[float]:
    """From slice to slice along the normal, mm."""
    if not slices:
        return []
    normal = np.cross(slices[0].orientation[:3], slices[0].orientation[3:])
    return [float(np.subtract(after.position, before.position) @ normal) for before, after in pairwise(slices)]


def _usual(gaps: Sequence[float]) -> float:
    """The median of the distances between slices that do not lie in one place; 0 where there is none."""
    apart = [gap for gap in gaps if gap >= _SAME_MM]
    return float(np.median(apart)) if apart else 0.0
