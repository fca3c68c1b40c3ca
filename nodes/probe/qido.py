"""Queries over the web: which there are, and how much of a query the server takes to heart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from nodes.probe import matching
from nodes.probe.browser import Answer, Browser
from nodes.probe.capabilities import Qido
from nodes.probe.line import Line

Row = Mapping[str, Any]

MOST_ROWS = 1000
_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"
_NAME, _RETRIEVE, _INSTANCES = "00100010", "00081190", "00201209"
_PIXEL_REPRESENTATION = "00280103"  # type 1 in every image, and no default of a query's rows


@dataclass(frozen=True)
class Sample:
    """One instance that the PACS holds."""

    study: str
    series: str
    instance: str

    @property
    def path(self) -> str:
        """Where DICOMweb has it."""
        return f"/studies/{self.study}/series/{self.series}/instances/{self.instance}"


class _Asking:
    def __init__(self, browser: Browser, line: Line) -> None:
        self.browser = browser
        self._line = line

    def rows(self, path: str, **query: str | int) -> Sequence[Row] | None:
        """The rows of a query; None where it was not answered with rows."""
        return self._rows(self.browser.get(self._target(path, query)), path)

    def level(self, path: str, **query: str | int) -> tuple[bool | None, list[Row]]:
        """Whether there are queries of this kind, and their rows."""
        answer = self.browser.get(self._target(path, query))
        there = self.browser.verdict(answer, f"QIDO-RS {_shown(path)}")
        found = self._rows(answer, path) if there else None
        return (False if there and found is None else there), list(found or ())

    def matches(self, **query: str | int) -> bool | None:
        """Whether any study matches; None where the query was not answered."""
        found = self.rows("/studies", limit=1, **query)
        return None if found is None else bool(found)

    def _target(self, path: str, query: Mapping[str, str | int]) -> str:
        return f"{path}?{urlencode(query, safe='*')}" if query else path

    def _rows(self, answer: Answer | None, path: str) -> list[dict[str, Any]] | None:
        if answer is None or answer.status not in (200, 204, 206):
            return None
        found = answer.rows()
        if found is None:
            self._line.note(f"QIDO-RS {_shown(path)} answered {answer.status} with no list of data sets: {answer.kind}")
        return found


def _shown(path: str) -> str:
    return "/".join("UID" if "." in part else part for part in path.split("/"))


def ask(browser: Browser, line: Line) -> tuple[Qido, Sample | None]:
    """Everything about queries, and an instance to try retrieval with."""
    asking = _Asking(browser, line)
    there, studies = asking.level("/studies", limit=MOST_ROWS)
    if not studies:
        if there:
            line.note("the PACS holds no study: little can be found out of an empty one")
        return Qido(studies=there), None
    study = _uid(studies[0], _STUDY)
    of_study, series = asking.level(f"/studies/{study}/series")
    chosen = _uid(min(series, key=_size), _SERIES) if series else ""
    of_series, instances = asking.level(f"/studies/{study}/series/{chosen}/instances") if chosen else (None, [])
    sample = Sample(study, chosen, _uid(instances[0], _INSTANCE)) if instances else None
    matched = _matching(asking, studies)
    all_series, all_instances = asking.level("/series", limit=1)[0], asking.level("/instances", limit=1)[0]
    found = Qido(
        studies=there,
        series=all_series,
        instances=all_instances,
        series_of_study=of_study,
        instances_of_series=of_series,
        rows_seen=max(len(studies), len(series), len(instances)),
        page=_page(asking, studies),
        retrieve_url=_addresses(instances or studies),
        **_paging(asking, studies, sample, instances),
        **_fields(asking, sample),
        **matched,
    )
    return found, sample


def _uid(row: Row, tag: str) -> str:
    return str(_first(row, tag) or "")


def _first(row: Row, tag: str) -> Any:
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _size(row: Row) -> int:
    count = _first(row, _INSTANCES)
    return count if isinstance(count, int) else 0


def _page(asking: _Asking, studies: list[Row]) -> int | None:
    """The server's own bound on rows, where one was met: there is more than it gave, though less than was asked."""
    if len(studies) >= MOST_ROWS:
        return None
    more = asking.rows("/studies", limit=1, offset=len(studies))
    known = {_uid(row, _STUDY) for row in studies}
    return len(studies) if more and _uid(more[0], _STUDY) not in known else None


def _paging(asking: _Asking, studies: list[Row], sample: Sample | None, instances: list[Row]) -> dict[str, Any]:
    """By whatever there are at least two of."""
    path, tag = "/studies", _STUDY
    if len(studies) < 2 and sample and len(instances) > 1:
        path, tag = sample.path.rpartition("/")[0], _INSTANCE
    elif len(studies) < 2:
        return {}
    first, second = (asking.rows(path, limit=1, offset=offset) for offset in (0, 1))
    if not first or second is None:
        return {}
    return {
        "limit": len(first) == 1,
        "offset": bool(second) and _uid(first[0], tag) != _uid(second[0], tag) if len(first) == 1 else None,
    }


def _fields(asking: _Asking, sample: Sample | None) -> dict[str, Any]:
    if sample is None:
        return {}
    path = sample.path.rpartition("/")[0]
    one = asking.rows(path, limit=1, includefield=_PIXEL_REPRESENTATION)
    every = asking.rows(path, limit=1, includefield="all")
    return {
        "includefield": _PIXEL_REPRESENTATION in one[0] if one else None,
        "includefield_all": _PIXEL_REPRESENTATION in every[0] if every else None,
    }


def _matching(asking: _Asking, studies: list[Row]) -> dict[str, Any]:
    names = [name for name in map(_name, studies) if name]
    found = matching.matching(asking.matches, names)
    if "wildcard" in found:
        name = matching.plainest(names)
        if quote(name) != name:
            found["percent_encoding"] = asking.matches(PatientName=name)
        found["fuzzy"] = asking.matches(PatientName=matching.beginning(name), fuzzymatching="true")
    if "wildcard" in found and (odd := matching.beyond_ascii(names)):
        found["non_ascii"] = asking.matches(PatientName=odd)
    return found


def _name(row: Row) -> str:
    value = _first(row, _NAME)
    return str(value.get("Alphabetic", "")) if isinstance(value, dict) else ""


def _addresses(rows: list[Row]) -> str:
    value = next((found for row in rows if (found := _first(row, _RETRIEVE))), None)
    return kind_of_address(value)


def kind_of_address(value: Any) -> str:
    """What kind of address a server gives: absolute, relative, or none."""
    if not isinstance(value, str) or not value:
        return "none"
    return "absolute" if "://" in value else "relative"


def path_of(address: str) -> str:
    """An address without its server."""
    return "/" + address.partition("://")[2].partition("/")[2] if "://" in address else address
