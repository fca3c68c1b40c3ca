"""What a request is about (DICOM PS3.18, 10): read from its path, and its query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from nodes.gateway.messages import Refused

Kind = Literal["search", "study", "series", "instance", "metadata", "frames", "bulkdata", "rendered", "other"]
_LEVELS = {"studies": "study", "series": "series", "instances": "instance"}
_BELOW: dict[str, Kind] = {
    "metadata": "metadata",
    "frames": "frames",
    "bulk": "bulkdata",  # Orthanc's name of it: the standard leaves the address to the server
    "bulkdata": "bulkdata",
    "pixeldata": "bulkdata",
    "rendered": "rendered",
    "thumbnail": "rendered",
}
RETRIEVALS: frozenset[Kind] = frozenset({"study", "series", "instance"})
"""What answers with DICOM files."""
BULK: frozenset[Kind] = RETRIEVALS | {"frames", "bulkdata", "rendered"}


def kind_of(target: str, root: str) -> Kind:
    """What a target asks for, below the root of DICOMweb. Raises Refused for a path that climbs."""
    segments = [unquote(part) for part in target.partition("?")[0].split("/") if part]
    if any(part in (".", "..") or "/" in part for part in segments):
        raise Refused(400, "a path must not contain '.', '..' or an escaped '/'")
    base = [part for part in root.split("/") if part]
    if segments[: len(base)] != base:
        return "other"
    return _below(segments[len(base) :])


def _below(segments: Sequence[str]) -> Kind:
    level: Kind = "other"
    while segments and segments[0] in _LEVELS:
        if len(segments) == 1:
            return "search"
        level = _LEVELS[segments[0]]  # type: ignore[assignment]  # its values are kinds
        segments = segments[2:]
    return _BELOW.get(segments[0], "other") if segments else level


@dataclass(frozen=True)
class Search:
    """`target` is what the archive is asked; `beyond` asks it whether there is more than what the caller will get, of
    which it wanted more (None: it did not).
    """

    target: str
    beyond: str | None = None


def searched(target: str, page: int | None, includefield: bool) -> Search:
    """A search as the archive gets it: no more than a page, and without `includefield` where that is not known.

    Raises Refused for a `limit` or `offset` that is no number.
    """
    path, mark, query = target.partition("?")
    pairs = [pair for pair in query.split("&") if pair]
    if not includefield:
        pairs = [pair for pair in pairs if _name(pair) != "includefield"]
    if page is None:
        return Search(path + mark * bool(pairs) + "&".join(pairs))
    limit, offset = _number(pairs, "limit"), _number(pairs, "offset") or 0
    others = [pair for pair in pairs if _name(pair) not in ("limit", "offset")]
    given = min(limit or page, page)  # an archive takes 0 for no limit at all
    beyond = None if limit and limit <= page else _asked(path, others, 1, offset + given)
    return Search(_asked(path, others, given, offset), beyond)


def _asked(path: str, pairs: Sequence[str], limit: int, offset: int) -> str:
    return f"{path}?{'&'.join([*pairs, f'limit={limit}', f'offset={offset}'])}"


def _name(pair: str) -> str:
    return unquote(pair.partition("=")[0]).lower()


def _number(pairs: Sequence[str], name: str) -> int | None:
    values = [unquote(pair.partition("=")[2]) for pair in pairs if _name(pair) == name]
    if not values:
        return None
    if not (values[-1].isascii() and values[-1].isdigit() and len(values[-1]) < 10):
        raise Refused(400, f"{name} is '{values[-1][:40]}'; expected a number of results")
    return int(values[-1])
