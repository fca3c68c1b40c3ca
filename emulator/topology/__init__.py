"""The YAML document that a world is made from: parsed with positions, checked as a whole, resolved to frozen data.

reading      a file's text
parsing      its tree of values, each with its place          (tree, scalars, syntax)
checking     a document, or all that is wrong in it           (document, fields, units, words, naming, wording)
resolving    the topology                                     (resolved, builtin, profiles, drawing, pings, traces)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from emulator.topology.resolved import (
    Change,
    Clock,
    Cohort,
    Compute,
    Direction,
    Fidelity,
    Hub,
    Link,
    MachineKind,
    Pacs,
    Site,
    Topology,
    Training,
)
from emulator.topology.words import Known

if TYPE_CHECKING:
    from emulator.topology.changing import parse_change
    from emulator.topology.json_schema import schema
    from emulator.topology.keeping import dump, revive
    from emulator.topology.loading import load, load_naming

__all__ = [
    "Change",
    "Clock",
    "Cohort",
    "Compute",
    "Direction",
    "Fidelity",
    "Hub",
    "Known",
    "Link",
    "MachineKind",
    "Pacs",
    "Site",
    "Topology",
    "Training",
    "dump",
    "load",
    "load_naming",
    "parse_change",
    "revive",
    "schema",
]

_ON_FIRST_USE = {
    "load": "loading",
    "load_naming": "loading",
    "schema": "json_schema",
    "dump": "keeping",
    "revive": "keeping",
    "parse_change": "changing",
}


def __getattr__(name: str) -> Any:
    """Imports what reads and writes when it is first asked for: the plain types alone must not cost 0.3 s and 40 MB."""
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_ON_FIRST_USE[name]}"), name)
