"""Capabilities as people compare them: a row for each, a column for each PACS that differs from the others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nodes.probe.capabilities import TIMINGS, Capabilities, cells
from nodes.probe.syntaxes import NAMES, named
from testbed.units import seconds

UNKNOWN = "–"
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


def rows(found: Iterable[Capabilities]) -> list[tuple[str, list[str]]]:
    """A label and a cell of each PACS, for everything that can be found out."""
    columns = [cells(one) for one in found]
    return [(line[0][1], [shown(path, value) for path, _, value in line]) for line in zip(*columns, strict=True)]


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
