"""What pydantic finds wrong in a document, told as problems with their places."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import BaseModel

from emulator.topology import json_schema, options
from emulator.topology.document import Document
from emulator.topology.fields import LONGEST_NAME, REFUSED, UNKNOWN_WORD
from emulator.topology.forms import VARIANT
from emulator.topology.problems import Position, Problem, quoted
from emulator.topology.tree import Entries, Node, Path, Scalar, at, child
from emulator.topology.words import Words, advice, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
    "string_type": "a text",
    "bool_type": "true or false",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "too_short": "at least {min_length} in the list",
    "too_long": "at most {max_length} in the list",
    "literal_error": "{expected}",
}
_MOST = 200  # more than are shown, and few enough to look for near words
_QUOTED = re.compile(r"'([^']*)'")


def problems(
    errors: Iterable["ErrorDetails"], document: Node, words: Words, whole: type[BaseModel] = Document
) -> list[Problem]:
    """Pydantic's errors, each at the place in the document that it is about; the first 200 of them. `whole` is the form
    of the document.
    """
    return [_problem(error, document, words, whole) for error in islice(errors, _MOST)]


def _problem(error: "ErrorDetails", document: Node, words: Words, whole: type[BaseModel]) -> Problem:
    path = _path(error["loc"], document)
    match error["type"]:
        case "extra_forbidden":
            told = _unknown_key(path, document, words, whole)
        case "missing":
            told = _missing_key(path, document, words, whole)
        case _ if path and path[-1] == "[key]":
            path = path[:-1]
            told = _wrong_key(error, path, document)
        case _:
            told = _wrong_value(error, at(document, path), words)
    return told.within(_where(path, document))


def _path(location: Path, document: Node) -> list[str | int]:
    """Pydantic's location without the names of variants, which are no keys of the document."""
    path: list[str | int] = []
    for step in location:
        if not str(step).startswith(VARIANT) or child(at(document, path), step) is not None:
            path.append(step)
    return path


def empty(path: Path, document: Node) -> Problem:
    """A key without a value, where leaving the key out would mean something."""
    told = Problem.told(at(document, path).position, "nothing", "a value", "write one, or take the key away")
    return told.within(_where([*path], document))


def _wrong_value(error: "ErrorDetails", node: Node, words: Words) -> Problem:
    expected, advised = _reason(error)
    if error["type"] == UNKNOWN_WORD:
        advised = advice(node.written if isinstance(node, Scalar) else "", getattr(words, error["ctx"]["of"]))
    elif error["type"] == "literal_error":
        advised = _nearest_literal(node, expected)
    elif isinstance(node, Scalar) and node.value is None and not advised:
        advised = "write a value, or take the key away"
    return Problem.told(node.position, node.shown(), expected, advised)


def _reason(error: "ErrorDetails") -> tuple[str, str]:
    context = error.get("ctx", {})
    if error["type"] in (REFUSED, UNKNOWN_WORD):
        return str(context.get("expected", error["msg"])), str(context.get("advice", ""))
    wording = _EXPECTED.get(error["type"])
    return (wording.format(**context), "") if wording else (error["msg"], "")


def _nearest_literal(node: Node, expected: str) -> str:
    near = nearest(node.written, _QUOTED.findall(expected)) if isinstance(node, Scalar) else None
    return f"did you mean '{near}'?" if near else ""


def _wrong_key(error: "ErrorDetails", path: Path, document: Node) -> Problem:
    return Problem.told(_key_position(path, document), f"the name {quoted(str(path[-1]))}", *_reason(error))


def _unknown_key(path: Path, document: Node, words: Words, whole: type[BaseModel]) -> Problem:
    key = str(path[-1])
    position = _key_position(path, document)
    advised = advice(key, _keys(path[:-1], document, words, whole)) if ":" not in key else "write a space after the ':'"
    return Problem.told(position, f"the key {quoted(key)}", "a key that is known here", advised)


def _missing_key(path: Path, document: Node, words: Words, whole: type[BaseModel]) -> Problem:
    key, owner = str(path[-1]), at(document, path[:-1])
    strange = set(owner.keys) - _keys(path[:-1], document, words, whole) if isinstance(owner, Entries) else ()
    near = nearest(key, strange)
    return Problem.told(
        owner.position, f"no '{key}'", f"'{key}: …' in this mapping", f"rename {quoted(near)}" if near else "add it"
    )


def _keys(path: Path, document: Node, words: Words, whole: type[BaseModel]) -> frozenset[str]:
    """The keys that may be in a mapping of the document, or of an entry that has a form of its own."""
    form, written = options.form_at(path, document, words), at(document, path)
    if form is None:
        return json_schema.keys(path, written, whole)
    own = options.OWN[str(path[0])] if len(path) == 2 else frozenset[str]()
    return json_schema.keys(path[2:], written, form) | own


def _key_position(path: Path, document: Node) -> Position:
    owner = at(document, path[:-1])
    return owner.keys.get(str(path[-1]), owner.position) if isinstance(owner, Entries) else owner.position


def _where(path: list[str | int], document: Node) -> str:
    """The part of the document, in its own names: `links.vdsl.rate`, `site 'lyon': cohort.studies`."""
    if path[:1] != ["sites"] or len(path) < 2 or not isinstance(path[1], int):
        return _dotted(path)
    entry = at(document, path[:2])
    names = (child(entry, key) for key in ("name", "group"))
    named = next((node.written for node in names if isinstance(node, Scalar)), None)
    which = f"site {quoted(named)}" if named else f"site number {path[1] + 1}"
    rest = _dotted(path[2:])
    return f"{which}: {rest}" if rest else which


def _dotted(path: Iterable[str | int]) -> str:
    return ".".join(str(step + 1) if isinstance(step, int) else step[:LONGEST_NAME] for step in path)
