"""A topology after parsing: frozen, complete, every group stamped out into sites, every random draw made.

Units are in the names: rates in bits per second (IP bytes, headers included), times in seconds, fractions from 0 to 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MachineKind = Literal["namespace", "vm"]


@dataclass(frozen=True)
class Direction:
    """One direction of a link. `delay_s` is one-way."""

    rate_bps: int
    delay_s: float
    jitter_s: float = 0.0
    loss: float = 0.0


@dataclass(frozen=True)
class Link:
    """An access link: `down` is towards its owner (site or hub), `up` away from it."""

    profile: str
    down: Direction
    up: Direction


@dataclass(frozen=True)
class Pacs:
    """A PACS profile: its flavour (a name known to `nodes.pacs`) and that flavour's options."""

    profile: str
    flavour: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cohort:
    """The studies of one site, as numbers: skews and draws of the YAML are already resolved.

    `classes` maps each class to its number of studies; they add up to `studies`.
    """

    kind: Literal["phantom"]
    studies: int
    classes: Mapping[str, int]  # keys: control, mci, ad
    scanner: str  # a scanner profile known to `nodes.cohorts`, e.g. "1.5T", "3T"
    modalities: tuple[str, ...]  # of "mr", "pet"
    storage: Literal["single-frame", "multi-frame"]


@dataclass(frozen=True)
class Compute:
    """How long a site's computing takes on the emulated clock: `seconds_per_sample` for one sample of one epoch."""

    seconds_per_sample: float


@dataclass(frozen=True)
class Site:
    """One hospital. `index` counts from 1 in the order of the document and decides its addresses."""

    index: int
    name: str
    group: str
    machine: MachineKind
    link: Link
    pacs: Pacs
    cohort: Cohort
    compute: Compute


@dataclass(frozen=True)
class Hub:
    """The coordinating centre."""

    link: Link


@dataclass(frozen=True)
class Training:
    """What `train` runs unless its options say otherwise. `options` are the algorithm's and the task's own."""

    task: str
    algorithm: str
    rounds: int
    local_epochs: int
    batch_size: int
    learning_rate: float
    test_fraction: float
    volume_cache: bool
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Topology:
    """A whole document, resolved."""

    name: str
    seed: int
    hub: Hub
    sites: tuple[Site, ...]
    training: Training
