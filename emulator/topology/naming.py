"""The names of sites: how groups are numbered, and which entries of a document clash."""

from emulator.topology.fields import LONGEST_NAME
from emulator.topology.problems import Position, Problem, quoted
from emulator.topology.tree import Entries, Items, Node, Scalar, child

MOST_SITES = 2000


def members(group: str, count: int) -> tuple[str, ...]:
    """`chu-01`, `chu-02` …: numbers as wide as the largest needs, and at least two digits."""
    width = _width(count)
    return tuple(f"{group}-{number:0{width}}" for number in range(1, count + 1))


def longest_group(count: int) -> int:
    """How long a group's name may be, so that its sites' names are not too long."""
    return LONGEST_NAME - 1 - _width(count)


def _width(count: int) -> int:
    return max(2, len(str(count)))


def clashes(document: Node) -> list[Problem]:
    """Names that come twice, and sites past the limit.

    Works on whatever was written: entries wrong in themselves are passed over.
    """
    sites = child(document, "sites")
    first: dict[str, Position] = {}
    problems: list[Problem] = []
    for entry in sites.items if isinstance(sites, Items) else ():
        names, position = _named(entry)
        if len(first) + len(names) > MOST_SITES:
            found = f"more than {MOST_SITES} sites up to here"
            return [*problems, Problem.told(position, found, f"at most {MOST_SITES}", "lower the counts")]
        if clash := next((name for name in names if name in first), None):
            problems.append(_twice(clash, position, first[clash]))
        first.update({name: position for name in names if name not in first})
    return problems


def sites_and_groups(document: Node) -> frozenset[str]:
    """Every name that stands for sites; entries wrong in themselves are passed over."""
    sites = child(document, "sites")
    entries = sites.items[:MOST_SITES] if isinstance(sites, Items) else ()
    groups = (group for entry in entries if isinstance(group := _value(entry, "group"), str))
    return frozenset((*groups, *(name for entry in entries for name in _named(entry)[0])))


def _named(entry: Node) -> tuple[tuple[str, ...], Position]:
    """The names that an entry stands for, and where it says so."""
    name, group, count = (_value(entry, key) for key in ("name", "group", "count"))
    if isinstance(name, str):
        return (name,), _position(entry, "name")
    if isinstance(group, str) and len(group) <= LONGEST_NAME and type(count) is int and 0 < count <= MOST_SITES:
        return members(group, count), _position(entry, "group")
    return (), entry.position


def _value(entry: Node, key: str) -> object:
    found = child(entry, key)
    return found.value if isinstance(found, Scalar) else None


def _position(entry: Node, key: str) -> Position:
    assert isinstance(entry, Entries)  # noqa: S101 - it has the key
    return entry.values[key].position


def _twice(name: str, position: Position, first: Position) -> Problem:
    found = f"a second site of the name {quoted(name)}"
    return Problem.told(
        position, found, "each name once", f"the first is at {first.line}:{first.column}; give one another name"
    )
