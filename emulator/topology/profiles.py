"""The link profiles that come with the testbed."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from emulator.topology.links import LinkDocument
from emulator.topology.parsing import parse
from emulator.topology.tree import Entries


@cache
def shipped() -> Mapping[str, LinkDocument]:
    """`profiles.yaml` of this package, by name."""
    document, _ = parse((files("emulator.topology") / "profiles.yaml").read_text(encoding="utf-8"))
    assert isinstance(document, Entries)  # noqa: S101 - our own file; the tests read it
    return {name: LinkDocument.model_validate(link.plain()) for name, link in document.values.items()}
