"""From YAML text to a tree with positions, in bounded time and memory whatever the text is.

The tree is built from the parser's events, not by a YAML constructor: every value keeps its place, no tag can make an
object, keys that come twice are seen, and an alias is a reference whose full size is known before anybody walks it.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from emulator.topology import syntax
from emulator.topology.problems import NotYaml, Position, Problem, quoted
from emulator.topology.scalars import NoNumber, value_of
from emulator.topology.tree import Entries, Items, Node, Scalar

MOST_NODES = 100_000  # two thousand sites written out take about 40,000; the parser needs 2 s for as many as this
MOST_LEVELS = 20
_LONG_TAG = re.compile(r"![^\s]{200}")  # the parser's time for a tag grows with the square of its length
_MERGE = "<<"


def parse(text: str) -> tuple[Node, list[Problem]]:
    """The document, and what is wrong in it without making the rest unreadable. Raises `NotYaml` where it is."""
    if tag := _LONG_TAG.search(text):
        raise NotYaml(_tagged(_position_in(text, tag.start())))
    builder = _Builder(text)
    return builder.document(), builder.problems


def _position_in(text: str, offset: int) -> Position:
    before = text[:offset]
    return Position(before.count("\n") + 1, offset - before.rfind("\n"))


def _tagged(position: Position) -> Problem:
    return Problem.told(
        position, "a tag ('!…')", "plain YAML", "take it away, or put a text that begins with '!' in quotes"
    )


class _Builder:
    """Recursive descent over the parser's events; `MOST_LEVELS` bounds the recursion."""

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self._text = text
        self._last = Position(1, 1)
        self._events = self._read()
        self._anchors: dict[str, Node | None] = {}  # None: not complete yet
        self._nodes = 0

    def _read(self) -> Iterator[Event]:
        try:
            for event in YAML(typ="safe", pure=True).parse(self._text):
                self._last = _position(event)
                yield event
        except syntax.PARSER_ERRORS as error:
            raise NotYaml(syntax.problem(error, self._text, self._last)) from error

    def document(self) -> Node:
        """The first document of the text, which must be the only one."""
        documents = (event for event in self._events if isinstance(event, DocumentStartEvent))
        if next(documents, None) is None:
            self._give_up(
                Position(1, 1),
                "an empty document",
                "a mapping with 'name' and 'sites'",
                "see topologies/quickstart.yaml",
            )
        root = self._node(next(self._events), MOST_LEVELS)
        if second := next(documents, None):
            self._give_up(_position(second), "a second document", "one topology in a file", "take the '---' away")
        return root

    def _node(self, event: Event, levels: int) -> Node:
        position = _position(event)
        if isinstance(event, AliasEvent):
            return self._alias(event, position, levels)
        self._count(1, position)
        if levels == 0:
            self._give_up(
                position, f"more than {MOST_LEVELS} levels", "a topology, which has fewer", "write it flatter"
            )
        anchor = event.anchor if isinstance(event, NodeEvent) else None
        if anchor:
            self._anchors[anchor] = None
        node = self._content(event, position, levels)
        if anchor:
            self._anchors[anchor] = node
        return node

    def _content(self, event: Event, position: Position, levels: int) -> Node:
        if getattr(event, "tag", None) is not None:
            self.problems.append(_tagged(position))
        if isinstance(event, SequenceStartEvent):
            return self._items(position, levels)
        if isinstance(event, MappingStartEvent):
            return self._entries(position, levels)
        assert isinstance(event, ScalarEvent)  # noqa: S101 - the events that can begin a node are these and an alias
        return self._scalar(event, position)

    def _alias(self, event: AliasEvent, position: Position, levels: int) -> Node:
        name = str(event.anchor)
        if name not in self._anchors:
            self._give_up(
                position, f"the alias {quoted('*' + name)}", "an anchor of that name before it", "write the value out"
            )
        target = self._anchors[name]
        if target is None:
            self._give_up(
                position,
                f"the alias {quoted('*' + name)} inside of what it stands for",
                "a finite document",
                "write the value out",
            )
        if target.height > levels:
            self._give_up(
                position, f"more than {MOST_LEVELS} levels", "a topology, which has fewer", "write it flatter"
            )
        self._count(target.size, position)
        return target

    def _items(self, position: Position, levels: int) -> Items:
        items = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._node(event, levels - 1))
        return Items(position, tuple(items), _size(items), _height(items))

    def _entries(self, position: Position, levels: int) -> Entries:
        keys: dict[str, Position] = {}
        values: dict[str, Node] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(self._node(event, levels - 1))
            value = _placed(self._node(next(self._events), levels - 1), key.position)
            if self._is_fresh(key, keys):
                keys[key.written], values[key.written] = key.position, value
        return Entries(position, keys, values, _size(values.values()) + len(keys), _height(values.values()))

    def _key(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            self._give_up(node.position, f"{node.shown()} as a key", "a word", "check for a stray '?', '{' or '['")
        return node

    def _is_fresh(self, key: Scalar, keys: dict[str, Position]) -> bool:
        if key.written == _MERGE:
            told = Problem.told(
                key.position, "'<<'", "", "YAML 1.2 merges no mappings: write what sites share under 'defaults'"
            )
            self.problems.append(told)
        elif first := keys.get(key.written):
            told = Problem.told(
                key.position,
                f"the key {key.shown()} again",
                "each key once",
                f"the first is at {first.line}:{first.column}",
            )
            self.problems.append(told)
        return key.written != _MERGE and key.written not in keys

    def _scalar(self, event: ScalarEvent, position: Position) -> Scalar:
        written = str(event.value)
        try:
            value = written if event.style else value_of(written)
            written.encode()
        except NoNumber as error:
            self.problems.append(Problem.told(position, Scalar(position, written, "").shown(), str(error)))
            return Scalar(position, written, 0)
        except UnicodeEncodeError:
            self._give_up(position, "half of a surrogate pair", "whole characters", r"write '\U' with eight digits")
        return Scalar(position, written, value)

    def _count(self, nodes: int, position: Position) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            expected = f"at most {MOST_NODES:,}, aliases counted in full"
            self._give_up(position, "too many values", expected, "write groups (group, count) in place of single sites")

    def _give_up(self, position: Position, found: str, expected: str, advice: str) -> NoReturn:
        raise NotYaml(Problem.told(position, found, expected, advice))


def _position(event: Event) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _placed(value: Node, key: Position) -> Node:
    """A value that is left out begins where the next thing does; a person looks for it at its key."""
    return replace(value, position=key) if isinstance(value, Scalar) and value.written == "" else value


def _size(nodes: Collection[Node]) -> int:
    return 1 + sum(node.size for node in nodes)


def _height(nodes: Collection[Node]) -> int:
    return 1 + max((node.height for node in nodes), default=0)
