"""Pre-flight: what a round will cost at each site, and which time-outs would fire, before anything is started."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from emulator.errors import WrongInput
from emulator.topology import Topology
from nodes.cohorts.sizes import Studies, studies_of
from testbed.units import octets
from trainer import algorithms, tasks
from trainer.config import LaunchConfig
from trainer.forecast import Forecast, Pull, Round, Sizes, Wire
from trainer.worker.calls import TIMEOUT_S

# What fetching and preparing takes, measured on two cores: of a study, and of each file more that it consists of.
_STUDY_S, _INSTANCE_S = 0.045, 0.0005
_SEND_BUFFER_BYTES = 4 << 20  # the kernel's limit (tcp_wmem): what a worker has handed over may still lie here
_TRANSFERS = ("pull", "model", "update")


@dataclass(frozen=True)
class Timeout:
    """A time-out in force, and the sites at which it would fire: what it waits for takes so long there (s)."""

    name: str
    seconds: float
    waits_for: str
    fires_at: Mapping[str, float]


@dataclass(frozen=True)
class Plan:
    """A forecast of a whole training: `first` round, every `later` one, and all of them."""

    topology: Topology
    sizes: Sizes
    studies: Mapping[str, Studies]
    first: Round
    later: Round
    timeouts: tuple[Timeout, ...]

    @property
    def seconds(self) -> float:
        """Emulated seconds of all rounds."""
        return self.first.seconds + self.later.seconds * (self.topology.training.rounds - 1)

    @property
    def wire_bytes(self) -> int:
        """Wire bytes of all rounds at all sites."""
        return wire_bytes(self.first) + wire_bytes(self.later) * (self.topology.training.rounds - 1)

    @property
    def fires(self) -> bool:
        """Whether any time-out would fire."""
        return any(timeout.fires_at for timeout in self.timeouts)


def plan(topology: Topology, cache: Path) -> Plan:
    """The forecast of a topology's training; reads the cache, starts nothing. Raises `WrongInput` where the hub does
    it.
    """
    studies = {site.name: studies_of(site, topology.seed, cache) for site in topology.sites}
    if topology.training.mode == "centralised":
        moved = sum(studies[site.name].bytes for site in topology.sites if not site.cohort.warehouse)
        raise WrongInput(
            f"{topology.name}: plan foresees rounds of federated training; with training: {{mode: centralised}} the "
            f"first round moves {octets(moved)} of studies to the hub, and the later ones nothing"
        )
    sizes = model_sizes(topology)
    forecast = Forecast(
        topology, sizes, {site.name: _pull(studies[site.name], site.cohort.studies) for site in topology.sites}
    )
    first, later = forecast.round(1), forecast.round(2)
    return Plan(topology, sizes, studies, first, later, tuple(_timeouts(topology, sizes, (first, later))))


def model_sizes(topology: Topology) -> Sizes:
    """Of the model's file and an update's, made once and measured."""
    from trainer import weights
    from trainer.learning import initial  # torch

    if not algorithms.get(topology.training.algorithm).exchanges:
        return Sizes(0, 0)
    first = initial(tasks.get(topology.training.task), topology.seed)
    return Sizes(len(weights.pack(first)), len(weights.pack(first, {"samples": 99})))


def wire_bytes(planned: Round) -> int:
    """Wire bytes of a round at all sites, both ways."""
    return sum(total(site.wire) for site in planned.sites.values())


def total(wire: Mapping[str, Wire], *purposes: str) -> int:
    """Wire bytes of these purposes, or of all, both ways."""
    return sum(count.rx + count.tx for purpose, count in wire.items() if not purposes or purpose in purposes)


def _pull(studies: Studies, count: int) -> Pull:
    return Pull(studies.bytes, studies.instances, count * _STUDY_S + studies.instances * _INSTANCE_S)


def _timeouts(topology: Topology, sizes: Sizes, rounds: tuple[Round, ...]) -> Iterator[Timeout]:
    """Those that a slow line can make fire."""
    deadline_s: float = LaunchConfig.model_fields["deadline_s"].default
    slowest = {site.name: max(_slowest_s(planned, site.name) for planned in rounds) for site in topology.sites}
    yield Timeout(
        "deadline", deadline_s, "one transfer of a site; the round goes on without it", _over(slowest, deadline_s)
    )
    silent = {site.name: _drains_s(topology, sizes, rounds, site.name) for site in topology.sites}
    yield Timeout(
        "silence",
        TIMEOUT_S,
        "the hub's answer to an update that is still on its way; it is sent again",
        _over(silent, TIMEOUT_S),
    )


def _over(takes_s: Mapping[str, float], limit_s: float) -> dict[str, float]:
    return {site: seconds for site, seconds in takes_s.items() if seconds >= limit_s}


def _slowest_s(planned: Round, site: str) -> float:
    return max(planned.sites[site].seconds.get(phase, 0.0) for phase in _TRANSFERS)


def _drains_s(topology: Topology, sizes: Sizes, rounds: tuple[Round, ...], site: str) -> float:
    """How long the last of an update, which the worker has handed to its kernel, takes to cross: nothing is heard from
    the hub meanwhile.
    """
    if not sizes.update:
        return 0.0
    held = min(1.0, _SEND_BUFFER_BYTES / sizes.update)
    return max(planned.sites[site].seconds["update"] * held for planned in rounds)
