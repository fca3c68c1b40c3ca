"""Keys that a form of their own describes: the options of PACS profiles, whose forms the packages above bring along
(`Known`), and the settings of faults.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from emulator.errors import WrongInput
from emulator.faults import registry
from emulator.topology.faults import OWN_KEYS
from emulator.topology.tree import Entries, Items, Node, Path, Scalar, at, child
from emulator.topology.words import Known

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from emulator.topology.forms import Form

FLAVOUR = "flavour"
OWN = {"pacs": frozenset((FLAVOUR,)), "faults": OWN_KEYS}
"""The parts of a document whose entries have such forms, and the keys that each entry has besides."""


def wrong(tree: Node, known: Known) -> "Iterator[ErrorDetails]":
    """What pydantic finds wrong in these keys, located in the whole document."""
    for path, entry in _entries(tree):
        form = form_at(path, tree, known)
        if form is None or not isinstance(entry, Entries):
            continue
        written = {key: node.plain() for key, node in entry.values.items() if key not in OWN[str(path[0])]}
        try:
            form.model_validate(written, context=known)
        except ValidationError as error:
            for details in error.errors(include_url=False, include_input=False):
                yield {**details, "loc": (*path, *details["loc"])}


def _entries(tree: Node) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    profiles, faults = child(tree, "pacs"), child(tree, "faults")
    if isinstance(profiles, Entries):
        yield from ((("pacs", name), profile) for name, profile in profiles.values.items())
    if isinstance(faults, Items):
        yield from ((("faults", number), fault) for number, fault in enumerate(faults.items))


def form_at(path: Path, tree: Node, known: Known) -> "type[Form] | None":
    """The form of the entry that a path leads into; None where it leads elsewhere, or nobody has a form for it."""
    if len(path) < 2 or path[0] not in OWN:
        return None
    named = child(at(tree, path[:2]), FLAVOUR if path[0] == "pacs" else "fault")
    if not isinstance(named, Scalar):
        return None
    return known.options.get(named.written) if path[0] == "pacs" else _kind(named.written)


def _kind(name: str) -> "type[Form] | None":
    try:
        return registry.get(name)
    except WrongInput:
        return None
