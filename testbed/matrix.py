"""Capabilities as people compare them: a row for each, a column for each PACS that differs from the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from nodes.probe.capabilities import TIMINGS, Capabilities, cells
from nodes.probe.syntaxes import NAMES, named
from testbed.units import seconds

UNKNOWN = "–"
Row: TypeAlias = tuple[str, list[str]]
"""A label, and a cell of each PACS."""
_BETWEEN = 2  # blanks between two columns
_SHORT = (
    ("multipart/related", "multipart"),
    ("application/dicom", "dicom"),
    ("transfer-syntax", "syntax"),
    ("; ", " "),
)


@dataclass(frozen=True)
class Kind:
    """Sites whose PACS are of one profile and were found alike; `first` stands for them all."""

    profile: str
    sites: tuple[str, ...]
    first: Capabilities

    @property
    def title(self) -> str:
        """`modern (chu-01 and 11 more)`."""
        more = f" and {len(self.sites) - 1} more" if len(self.sites) > 1 else ""
        return f"{self.profile} ({self.sites[0]}{more})"


def kinds(profiles: Mapping[str, str], found: Mapping[str, Capabilities]) -> list[Kind]:
    """The sites grouped, in their order. `profiles` are the PACS profiles of sites; timings don't tell PACS apart."""
    groups: dict[Any, list[str]] = {}
    for site, answer in found.items():
        alike = tuple(value for path, _, value in cells(answer) if path.rpartition(".")[2] not in TIMINGS)
        groups.setdefault((profiles[site], alike), []).append(site)
    return [Kind(profile, tuple(sites), found[sites[0]]) for (profile, _), sites in groups.items()]


def rows(found: Iterable[Capabilities]) -> list[Row]:
    """A label and a cell of each PACS, for everything that can be found out."""
    columns = [cells(one) for one in found]
    return [(line[0][1], [shown(path, value) for path, _, value in line]) for line in zip(*columns, strict=True)]


def is_told(row: Row) -> bool:
    """Whether anything was found out of any PACS."""
    return any(cell != UNKNOWN for cell in row[1])


def shared(lines: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Rows in which all PACS are alike, and the others."""
    rows = list(lines)
    return [row for row in rows if len(set(row[1])) == 1], [row for row in rows if len(set(row[1])) > 1]


def side_by_side(titles: Sequence[str], lines: Sequence[Row], width: int, widest: int) -> Iterator[list[int]]:
    """Which columns stand beside each other, so that a table of them, with its labels, is no wider than `width`; no
    column is wider than `widest`, and one stands in each table at least.
    """
    label = min(widest, max((len(name) for name, _ in lines), default=0)) + _BETWEEN
    places: list[int] = []
    left = width - label
    for place, title in enumerate(titles):
        longest = max([len(title), *(len(cells[place]) for _, cells in lines)])
        column = min(widest, longest) + _BETWEEN
        if places and column > left:
            yield places
            places, left = [], width - label
        places, left = [*places, place], left - column
    yield places


def shown(path: str, value: Any) -> str:
    """A value as a cell."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(_shortened(str(one)) for one in value) or "none"
    if path.endswith("_s"):
        return seconds(value)
    return _shortened(str(value)) or "none"


def _shortened(text: str) -> str:
    for uid in sorted(NAMES, key=len, reverse=True):
        text = text.replace(uid, named(uid))
    for long, short in _SHORT:
        text = text.replace(long, short)
    return text
