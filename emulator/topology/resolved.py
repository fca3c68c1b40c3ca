"""A topology after parsing: frozen, complete, every group stamped out into sites, every random draw made.

Units are in the names: rates in bits per second (IP bytes, headers included), times in seconds, fractions from 0 to 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MachineKind = Literal["namespace", "vm"]
Clock = Literal["emulated", "real"]
Mode = Literal["federated", "centralised"]
Moment = Literal["pull", "model", "train", "update", "aggregate", "eval", "report"]
Curation = Literal["keep", "drop", "stop"]
Late = Literal["drop", "next-round", "wait"]
Require = Literal["any", "all"]
Protocol = Literal["tcp", "udp"]
Pattern = Literal["constant", "poisson", "web"]
Discipline = Literal["fifo", "codel", "fq_codel", "cake"]


@dataclass(frozen=True)
class GilbertElliott:
    """Loss with two states (Gilbert 1960, Elliott 1963); probabilities at each packet."""

    to_bad: float
    to_good: float
    lost_in_bad: float = 1.0
    lost_in_good: float = 0.0

    @property
    def loss(self) -> float:
        """Share of packets lost in the long run."""
        bad = self.to_bad / (self.to_bad + self.to_good)
        return bad * self.lost_in_bad + (1 - bad) * self.lost_in_good


@dataclass(frozen=True)
class FourState:
    """Loss with netem's four states (Salsano et al. 2012, A General Markov Model for Packet Loss, fig. 1)."""

    p13: float
    p31: float
    p32: float
    p23: float
    p14: float

    @property
    def loss(self) -> float:
        """Share of packets lost in the long run: the stationary probability of states 3 and 4, with p41 = 1."""
        burst = self.p13 / self.p31  # state 3, in units of state 1: the flow from gap to burst is the flow back
        received = self.p32 * burst / self.p23
        return (burst + self.p14) / (1 + burst + received + self.p14)


Target = Literal["dicomweb", "dimse", "hub"]
Stream = Literal["downstream", "upstream"]


@dataclass(frozen=True)
class Direction:
    """One direction of a link. `delay_s` is one-way; `jitter_s` is the standard deviation of `distribution` (one of
    netem's, or a name in the topology's `tables`, for which it is the table's scale). `loss` is the long-run share of
    packets lost; `bursts`, where it is set, is the model behind it. `queue_s` is what the queue before the bottleneck
    holds, as time at the rate. `mtu` counts bytes of IP packets.
    """

    rate_bps: int
    delay_s: float
    jitter_s: float = 0.0
    loss: float = 0.0
    distribution: str = "normal"
    bursts: GilbertElliott | FourState | None = None
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    queue_s: float = 0.1
    discipline: Discipline = "fifo"
    mtu: int = 1500


@dataclass(frozen=True)
class Change:
    """Other values for one direction; None leaves a value as it is. A `loss` that is given replaces `bursts` too."""

    rate_bps: int | None = None
    delay_s: float | None = None
    jitter_s: float | None = None
    loss: float | None = None
    bursts: GilbertElliott | None = None
    duplicate: float | None = None
    corrupt: float | None = None
    reorder: float | None = None


@dataclass(frozen=True)
class Episode:
    """What a link is for a while: from `at_s` on the links' clock, for `for_s` (None: for good), again each `every_s`
    (None: once).
    """

    at_s: float
    for_s: float | None
    every_s: float | None
    down: Change
    up: Change


@dataclass(frozen=True)
class Trace:
    """One direction over time, in columns: from `at_s[i]` on, the i-th values hold. It begins again at `period_s`.

    A column without values is not traced. A rate of 0 is an outage. In a column, None leaves the link's own value.
    """

    period_s: float
    at_s: tuple[float, ...]
    rate_bps: tuple[int | None, ...] = ()
    delay_s: tuple[float | None, ...] = ()
    loss: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Link:
    """An access link: `down` is towards its owner (site, region or hub), `up` away from it.

    `down_trace` and `up_trace` are names in the topology's `traces` (empty: none); episodes of the `schedule` are laid
    over them, later ones over earlier ones.
    """

    profile: str
    down: Direction
    up: Direction
    schedule: tuple[Episode, ...] = ()
    down_trace: str = ""
    up_trace: str = ""

    @property
    def varies(self) -> bool:
        """Whether it changes over time by itself."""
        return bool(self.schedule or self.down_trace or self.up_trace)


@dataclass(frozen=True)
class Pacs:
    """A PACS profile: its flavour (a name known to `nodes.pacs`) and that flavour's options."""

    profile: str
    flavour: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cohort:
    """The studies of one site, as numbers: skews and draws of the YAML are already resolved.

    `classes` maps each class to its number of studies; they add up to `studies`. `defects` maps kinds of defects
    (known to `nodes.defects`) to the number of studies that have one; no study has two.

    Of imported ones `classes` maps each label (empty: none); `source` is the imported cohort, `content` its digest, and
    `skip` how many studies of each label, in the order that the seed gives them, are other sites'. They have no
    scanner, no modalities and no storage of ours.
    """

    kind: Literal["phantom", "imported"]
    studies: int
    classes: Mapping[str, int]  # keys of phantoms: control, mci, ad
    scanner: str  # a scanner profile known to `nodes.cohorts`, e.g. "1.5T", "3T"
    modalities: tuple[str, ...]  # of "mr", "pet"
    storage: Literal["single-frame", "multi-frame"]
    defects: Mapping[str, int] = field(default_factory=dict)
    warehouse: bool = False  # they wait in the warehouse at the hub; the site's PACS starts empty
    source: str = ""
    content: str = ""
    skip: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Compute:
    """How long a site's computing takes on the emulated clock: `seconds_per_sample` for one sample of one epoch.

    `jitter` is the coefficient of variation of that from round to round.
    """

    seconds_per_sample: float
    jitter: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DownToxic:
    """A service that refuses every connection."""

    on: Target
    toxic: Literal["down"] = "down"


@dataclass(frozen=True, kw_only=True)
class _StreamToxic:
    """A fault on the TCP streams of a service: downstream is towards the site's worker, `toxicity` the share of
    connections that have it.
    """

    on: Target
    stream: Stream = "downstream"
    toxicity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LatencyToxic(_StreamToxic):
    latency_s: float
    jitter_s: float = 0.0
    toxic: Literal["latency"] = "latency"


@dataclass(frozen=True, kw_only=True)
class BandwidthToxic(_StreamToxic):
    rate_bps: int
    toxic: Literal["bandwidth"] = "bandwidth"


@dataclass(frozen=True, kw_only=True)
class SlowCloseToxic(_StreamToxic):
    delay_s: float
    toxic: Literal["slow_close"] = "slow_close"


@dataclass(frozen=True, kw_only=True)
class TimeoutToxic(_StreamToxic):
    timeout_s: float
    toxic: Literal["timeout"] = "timeout"


@dataclass(frozen=True, kw_only=True)
class ResetPeerToxic(_StreamToxic):
    timeout_s: float = 0.0
    toxic: Literal["reset_peer"] = "reset_peer"


@dataclass(frozen=True, kw_only=True)
class SlicerToxic(_StreamToxic):
    average_bytes: int
    variation_bytes: int = 0
    delay_s: float = 0.0
    toxic: Literal["slicer"] = "slicer"


@dataclass(frozen=True, kw_only=True)
class LimitDataToxic(_StreamToxic):
    limit_bytes: int
    toxic: Literal["limit_data"] = "limit_data"


StreamToxic = (
    LatencyToxic | BandwidthToxic | SlowCloseToxic | TimeoutToxic | ResetPeerToxic | SlicerToxic | LimitDataToxic
)
Toxic = StreamToxic | DownToxic


@dataclass(frozen=True)
class Disk:
    """A virtual machine's own disk. What is None is as fast as the host's; `iops` counts reads and writes together."""

    size_bytes: int
    read_bps: int | None = None
    write_bps: int | None = None
    iops: int | None = None


@dataclass(frozen=True)
class Guest:
    """A virtual machine. `image` is known to `emulator.images`; `cpu` is the share of one of the host's processors that
    it may use (None: all that it gets).
    """

    image: str
    vcpus: int
    memory_bytes: int
    disk: Disk
    cpu: float | None = None


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
    region: str | None = None
    toxics: tuple[Toxic, ...] = ()
    guest: Guest | None = None
    """Of a site whose machine is a `vm`."""


@dataclass(frozen=True)
class Hub:
    """The coordinating centre. `compute` is how long its own computing takes, where it trains (centralised)."""

    link: Link
    compute: Compute = Compute(0.03)


@dataclass(frozen=True)
class Region:
    """Sites that share one uplink, between their own access links and the hub's."""

    name: str
    link: Link


@dataclass(frozen=True)
class Warehouse:
    """The archive at the hub that sites' studies come from."""

    pacs: Pacs


@dataclass(frozen=True)
class Training:
    """What `train` runs unless its options say otherwise. `options` are the algorithm's and the task's own.

    `clock` says whether modelled computing is jumped over (`emulated`) or waited for (`real`). `curation` says what
    findings in a study lead to: it stays where it can be assembled (`keep`), is left out (`drop`), or the site's pull
    fails (`stop`); None: nobody looks. `deidentify`: studies lose whom they are of as they are pulled.
    `mode` says where it trains: at the sites, or at the hub alone on all their studies.

    A round needs the updates of a share of `quorum` of the sites, and goes on without the rest `deadline_s` after it
    began (None: it waits for all that live). `late` says what becomes of the rest: dropped, counted in a later round
    with a weight that falls with `staleness`, or waited for. `require`: whose absence from any round makes the run fall
    short.
    """

    task: str
    algorithm: str
    rounds: int
    local_epochs: int
    batch_size: int
    learning_rate: float
    test_fraction: float
    volume_cache: bool
    options: Mapping[str, Any] = field(default_factory=dict)
    clock: Clock = "emulated"
    curation: Curation | None = None
    deidentify: bool = False
    mode: Mode = "federated"
    quorum: float = 0.0
    deadline_s: float | None = None
    late: Late = "drop"
    staleness: float = 0.5
    require: Require = "any"


@dataclass(frozen=True)
class Opening:
    """A port that one place may call at another, across the WAN; places as in `emulator.places`. One end is the hub."""

    source: str
    target: str
    protocol: Protocol
    port: int


@dataclass(frozen=True)
class Flow:
    """Background traffic between the hub and a site's gateway. `rate_bps` counts IP packets with their headers; of
    `web`, within a burst. `on_s` and `off_s` are the mean lengths of bursts and of the gaps between them.
    """

    source: str
    target: str
    pattern: Pattern
    rate_bps: int
    on_s: float = 0.0
    off_s: float = 0.0


@dataclass(frozen=True)
class Fidelity:
    """How far the emulation may stray from the topology before `check`, or a round, is out of bounds. Fractions from
    0 to 1.

    A round-trip time may differ by `rtt_s`, or by `rtt_share` of it, whichever is more; a rate by `rate` of it; a share
    of lost packets by `loss`, beyond what chance explains. During transfers the router may run for `router` of any half
    a second, and wait for a processor for `waiting` of the time; the hub's process may wait for `host` of the time.
    """

    rtt_s: float = 0.001
    rtt_share: float = 0.03
    rate: float = 0.05
    loss: float = 0.001
    router: float = 0.95
    waiting: float = 0.2
    host: float = 0.5


@dataclass(frozen=True)
class Trigger:
    """When a fault happens: `at_s` seconds of the run's clock after its beginning; or in a round, or in `every` so many
    rounds, at its beginning or at a `moment` of it: as a site is let through to that, or as the hub aggregates. With
    `bytes`, once that many bytes of the model or the update have passed then.
    """

    at_s: float | None = None
    round: int | None = None
    every: int | None = None
    moment: Moment | None = None
    bytes: int | None = None

    def in_round(self, number: int) -> bool:
        """Whether it may be in that round."""
        return number == self.round or (self.every is not None and number % self.every == 0)

    def __str__(self) -> str:
        if self.at_s is not None:
            return f"{self.at_s:g} s"
        which = (
            f"round {self.round}" if self.round else "every round" if self.every == 1 else f"every {self.every} rounds"
        )
        return " ".join((which, *([self.moment] if self.moment else []), *([f"{self.bytes} B"] if self.bytes else [])))


@dataclass(frozen=True)
class PlannedFault:
    """A fault that is to happen in a run, at each site that it is `on` (or `hub`). `settings` are as they are written;
    `for_s` counts on the run's clock, and is None where the fault is over at once. Each time, at each site, it happens
    with probability `chance`.
    """

    fault: str
    on: tuple[str, ...]
    trigger: Trigger
    for_s: float | None
    chance: float = 1.0
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topology:
    """A whole document, resolved."""

    name: str
    seed: int
    hub: Hub
    sites: tuple[Site, ...]
    training: Training
    regions: tuple[Region, ...] = ()
    tables: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Distributions of delay by name: netem's tables, deviations from the mean in 1/8192 of the jitter."""
    policy: tuple[Opening, ...] = ()
    traffic: tuple[Flow, ...] = ()
    traces: Mapping[str, Trace] = field(default_factory=dict)
    """Traces by name, of the links that have some."""
    fidelity: Fidelity = Fidelity()
    warehouse: Warehouse | None = None
    faults: tuple[PlannedFault, ...] = ()
