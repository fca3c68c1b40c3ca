"""The YAML document that a world is made from: parsed with positions, checked as a whole, resolved to frozen data.

reading      a file's text
parsing      its tree of values, each with its place          (tree, scalars, syntax)
checking     a document, or all that is wrong in it           (document, fields, units, words, naming, wording)
resolving    the topology                                     (resolved, builtin, profiles, drawing)
"""

from emulator.topology.json_schema import schema
from emulator.topology.keeping import dump, revive
from emulator.topology.loading import load
from emulator.topology.resolved import (
    Cohort,
    Compute,
    Direction,
    Hub,
    Link,
    MachineKind,
    Pacs,
    Site,
    Topology,
    Training,
)
from emulator.topology.words import Known

__all__ = [
    "Cohort",
    "Compute",
    "Direction",
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
    "revive",
    "schema",
]
