"""A YAML document as it was written: values with their positions, before anybody asks what they mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.topology.problems import Position, quoted

Plain = str | int | float | bool | None
Path = Sequence[str | int]


@dataclass(frozen=True)
class Scalar:
    """One value. `written` is its text; `value` what the text means in YAML 1.2's core schema."""

    position: Position
    written: str
    value: Plain
    size = 1
    height = 1

    def plain(self) -> Plain:
        """The value alone."""
        return self.value

    def shown(self) -> str:
        """The value as a message quotes it."""
        if self.value is None:
            return "nothing"
        return quoted(self.written)


@dataclass(frozen=True)
class Items:
    """A list. `size` counts its nodes, every alias in full; `height` its levels."""

    position: Position
    items: tuple["Node", ...]
    size: int
    height: int

    def plain(self) -> list[Any]:
        """The values alone."""
        return [item.plain() for item in self.items]

    def shown(self) -> str:
        """The list as a message names it."""
        return "a list" if self.items else "an empty list"


@dataclass(frozen=True)
class Entries:
    """A mapping. `keys` has the position of each key, `values` what it maps to; `size` and `height` as in a list."""

    position: Position
    keys: Mapping[str, Position]
    values: Mapping[str, "Node"]
    size: int
    height: int

    def plain(self) -> dict[str, Any]:
        """The values alone."""
        return {key: value.plain() for key, value in self.values.items()}

    def shown(self) -> str:
        """The mapping as a message names it."""
        return "a mapping" if self.values else "an empty mapping"


Node = Scalar | Items | Entries


def at(node: Node, path: Path) -> Node:
    """What stands at a path; steps that the document does not have (such as a missing key) are passed over."""
    for step in path:
        node = child(node, step) or node
    return node


def child(node: Node, step: str | int) -> Node | None:
    """What stands one step below, or None."""
    if isinstance(node, Entries) and isinstance(step, str):
        return node.values.get(step)
    if isinstance(node, Items) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None
