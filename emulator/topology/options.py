"""The options of PACS profiles: each flavour has a form of its own, which the packages above bring along (`Known`)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from emulator.topology.tree import Entries, Node, Path, Scalar, at, child
from emulator.topology.words import Known

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from emulator.topology.forms import Form

FLAVOUR = "flavour"


def wrong(tree: Node, known: Known) -> "Iterator[ErrorDetails]":
    """What pydantic finds wrong in the options of all profiles, located in the whole document."""
    profiles = child(tree, "pacs")
    for name in profiles.values if isinstance(profiles, Entries) else ():
        form, profile = form_at(("pacs", name), tree, known), at(tree, ("pacs", name))
        if form is None or not isinstance(profile, Entries):
            continue
        written = {key: node.plain() for key, node in profile.values.items() if key != FLAVOUR}
        try:
            form.model_validate(written, context=known)
        except ValidationError as error:
            for details in error.errors(include_url=False, include_input=False):
                yield {**details, "loc": ("pacs", name, *details["loc"])}


def form_at(path: Path, tree: Node, known: Known) -> "type[Form] | None":
    """The form of the profile that a path leads into; None where it leads elsewhere, or nobody has a form for it."""
    if len(path) < 2 or path[0] != "pacs":
        return None
    flavour = child(at(tree, path[:2]), FLAVOUR)
    return known.options.get(flavour.written) if isinstance(flavour, Scalar) else None
