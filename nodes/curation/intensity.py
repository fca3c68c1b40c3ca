"""A slice that is far brighter or darker than its neighbours."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from nodes.curation.checks import of_series
from nodes.curation.images import Slice

_FACTOR: Final = 1.6
"""Between a slice's mean and what its neighbours' lets expect."""
_FILLED: Final = 0.4
"""Of the brightest slice: where neighbours are darker, the head ends, and means change fast."""


@of_series("intensity-outlier")
def intensity_outlier(slices: Sequence[Slice]) -> Iterator[tuple[str, str]]:
    """Compare each slice's mean with the middle between its two neighbours'. Slices of one place count as one."""
    places = [list(group) for _, group in groupby(slices, key=lambda one: one.position)]
    means = [_mean(group) for group in places]
    brightest = sorted(mean for mean in means if mean is not None)[-2:]
    if len(brightest) < 2:
        return
    for before, group, after, mean in zip(means, places[1:], means[2:], means[1:], strict=False):
        if before is None or mean is None or after is None or min(before, after) < _FILLED * brightest[0]:
            continue
        factor = 2 * mean / (before + after)
        if not 1 / _FACTOR < factor < _FACTOR:
            yield group[0].instance, f"its mean is {factor:.2f} times its neighbours'"


def _mean(group: Sequence[Slice]) -> float | None:
    known = [one.mean for one in group if one.mean is not None]
    return sum(known) / len(known) if known else None
