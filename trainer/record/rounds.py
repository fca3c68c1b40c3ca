"""What is kept of one round."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from emulator.fidelity.findings import Finding, Verdict
from nodes.fetched import Fetched


@dataclass(frozen=True)
class Time:
    """Seconds of one phase at one site; `modelled` where its compute profile says so."""

    site: str
    phase: str
    seconds: float
    modelled: bool


@dataclass(frozen=True)
class Bytes:
    """Bytes of one purpose at one site, seen from the site; packets where they were counted on the wire."""

    site: str
    purpose: str
    rx: int
    tx: int
    rx_packets: int = 0
    tx_packets: int = 0


@dataclass(frozen=True)
class Resent:
    """Wire bytes of one purpose that TCP sent again: by the site (`tx`), and to it (`rx`, at the sender); `rx_repeated`
    is what of the latter reached the site a second time.
    """

    site: str
    purpose: str
    rx: int
    tx: int
    rx_repeated: int


@dataclass(frozen=True)
class Dropped:
    """Packets that the router dropped: lost on the line as the topology asks, or at a queue that overflowed."""

    site: str
    rx_lost: int
    tx_lost: int
    rx_overflowed: int
    tx_overflowed: int


class Pull(NamedTuple):
    """A study that came to a site in the round."""

    site: str
    fetched: Fetched


@dataclass(frozen=True)
class Happened:
    """A fault of the run's scenario. `started` is UTC, `emulated_s` the run's clock then; `for_s` is None where it is
    over at once. `refused` says why it could not be, where it could not.
    """

    id: str
    fault: str
    on: tuple[str, ...]
    settings: Mapping[str, str]
    trigger: str
    started: str
    emulated_s: float
    for_s: float | None
    refused: str | None = None


@dataclass(frozen=True)
class Mark:
    """A world's counters at the moment when a round ended: where the next one begins. `world` names one world."""

    world: str
    counted: tuple[Bytes, ...]


@dataclass(frozen=True)
class Lost:
    """Wire bytes of rounds that never became whole."""

    wire: tuple[Bytes, ...]


@dataclass(frozen=True)
class RoundRecord:
    """One whole round. `participants` are the sites whose update is in the model. `missing` says why a site's
    part is not whole: a site that was lost after its update is named in both. `late` names participants whose
    update is one of an earlier round, `back` those that were missing from the round before. `metrics` are by site;
    '' is over all. `findings` are what `fidelity` rests on.
    """

    number: int
    started: str
    wall_s: float
    emulated_s: float
    emulated_end_s: float
    model_sha256: str
    fidelity: Verdict
    participants: tuple[str, ...]
    missing: Mapping[str, str]
    metrics: Mapping[str, Mapping[str, float]]
    times: tuple[Time, ...]
    payload: tuple[Bytes, ...]
    wire: tuple[Bytes, ...]
    resent: tuple[Resent, ...] = ()
    drops: tuple[Dropped, ...] = ()
    mark: Mark | None = None
    findings: tuple[Finding, ...] = ()
    pulls: tuple[Pull, ...] = ()
    late: Mapping[str, str] = field(default_factory=dict)
    back: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Happened, ...] = ()
