"""The registry of checks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from nodes.curation.findings import Finding
from nodes.curation.images import Image, Slice

ImageCheck: TypeAlias = Callable[[Image], Iterable[str]]
SeriesCheck: TypeAlias = Callable[[Sequence[Slice]], Iterable[tuple[str, str]]]

_of_image: dict[str, ImageCheck] = {}
_of_series: dict[str, SeriesCheck] = {}


def of_image(kind: str) -> Callable[[ImageCheck], ImageCheck]:
    """Make a check known that looks at one file and yields what is wrong with it (a decorator)."""

    def keep(check: ImageCheck) -> ImageCheck:
        _of_image[kind] = check
        return check

    return keep


def of_series(kind: str) -> Callable[[SeriesCheck], SeriesCheck]:
    """Make a check known that looks at the slices of one series, in their order in space, and yields instance UIDs
    (empty: the whole series) and what is wrong with them (a decorator).
    """

    def keep(check: SeriesCheck) -> SeriesCheck:
        _of_series[kind] = check
        return check

    return keep


def kinds() -> tuple[str, ...]:
    """All kinds that a check is for, sorted."""
    return tuple(sorted(_of_image | _of_series))


def look_at_image(image: Image) -> Iterator[Finding]:
    """What every check of files finds in one."""
    for kind, check in _of_image.items():
        for detail in check(image):
            yield Finding(kind, image.series, image.instance, detail)


def look_at_series(series: str, slices: Sequence[Slice]) -> Iterator[Finding]:
    """What every check of series finds in one."""
    for kind, check in _of_series.items():
        for instance, detail in check(slices):
            yield Finding(kind, series, instance, detail)
