"""What a report needs to know of one run, read once from its record."""

import datetime
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeVar

from emulator.topology import Topology
from nodes.fetched import Fetched
from testbed.costs import Cost, Dropped, costs, drops, lost_wire
from testbed.wording import method
from trainer.record import Pull, Run

Outer = TypeVar("Outer", int, str)
Amount = TypeVar("Amount", int, float)

PHASES = ("pull", "send", "model", "train", "update", "eval")
LEADING = "balanced_accuracy"  # the metric that cards and comparisons lead with


@dataclass(frozen=True)
class Round:
    """One round. `emulated_end_s` counts from the run's start; `metrics` are over all test subjects."""

    number: int
    wall_s: float
    emulated_s: float
    emulated_end_s: float
    participants: tuple[str, ...]
    missing: Mapping[str, str]
    metrics: Mapping[str, float]
    fidelity: str
    strays: tuple[str, ...]  # what was out of bounds
    model_sha256: str


@dataclass(frozen=True)
class Phase:
    """Seconds that a site spent on one phase of a round; `modelled` when they come from its profile."""

    round: int
    site: str
    phase: str
    seconds: float
    modelled: bool


@dataclass(frozen=True)
class Broken:
    """A fault of the run's scenario that happened. Times are on the emulated clock; `for_s` is None where it was over
    at once.
    """

    round: int
    fault: str
    on: tuple[str, ...]
    settings: Mapping[str, str]
    trigger: str
    emulated_s: float
    for_s: float | None


@dataclass(frozen=True)
class Facts:
    """One run, whole."""

    run: str
    world: str
    state: str
    mode: str
    task: str
    algorithm: str
    seed: int
    started: str  # UTC, to the minute
    rounds_asked: int
    why: str  # what ended it, where it failed
    model_sha256: str
    versions: Mapping[str, str]
    rounds: tuple[Round, ...]
    traffic: tuple[Cost, ...]
    drops: tuple[Dropped, ...]
    lost_wire: int  # bytes of rounds that were interrupted and begun again
    phases: tuple[Phase, ...]
    pulls: tuple[Pull, ...]
    faults: tuple[Broken, ...]
    topology: Topology
    site_metrics: Mapping[str, Mapping[str, float]]  # of the last round, by site

    @cached_property
    def by_round(self) -> Mapping[int, Mapping[str, int]]:
        """Round → purpose → wire bytes over all sites."""
        return _summed((t.round, t.purpose, t.wire) for t in self.traffic)

    @cached_property
    def by_site(self) -> Mapping[str, Mapping[str, int]]:
        """Site → purpose → wire bytes over all rounds; every site of the topology is there."""
        found = _summed((t.site, t.purpose, t.wire) for t in self.traffic)
        return {site.name: found.get(site.name, {}) for site in self.topology.sites}

    @cached_property
    def time_by_site(self) -> Mapping[str, Mapping[str, float]]:
        """Site → phase → emulated seconds over all rounds."""
        return _summed((p.site, p.phase, p.seconds) for p in self.phases)

    @property
    def method(self) -> str:
        """By what it was trained: the algorithm, or the hub alone."""
        return method(self.mode, self.algorithm)

    def wire(self, *purposes: str) -> int:
        """Wire bytes of these purposes over the whole run; of all when none is named."""
        return sum(t.wire for t in self.traffic if not purposes or t.purpose in purposes)

    @property
    def last_metrics(self) -> Mapping[str, float]:
        return self.rounds[-1].metrics if self.rounds else {}

    @property
    def emulated_s(self) -> float:
        return self.rounds[-1].emulated_end_s if self.rounds else 0.0


def read(run: Run) -> Facts:
    """Reads all that a report shows of `run`."""
    summary = run.summary()
    cost = run.cost()
    row = run.connection.execute("SELECT started, versions FROM run").fetchone()
    ends = dict(run.connection.execute("SELECT round, emulated_end_s FROM rounds").fetchall())
    return Facts(
        run=summary["run"],
        world=summary["world"],
        state=summary["state"],
        mode=summary["mode"],
        task=summary["task"],
        algorithm=summary["algorithm"],
        seed=summary["seed"],
        started=f"{datetime.datetime.fromisoformat(row[0]):%Y-%m-%d %H:%M} UTC",
        rounds_asked=summary["rounds_asked"],
        why=summary["why"] or "",
        model_sha256=summary["model_sha256"] or "",
        versions={name: str(version) for name, version in json.loads(row[1] or "{}").items()},
        rounds=tuple(_round(entry, ends) for entry in summary["rounds"]),
        traffic=tuple(costs(cost)),
        drops=tuple(drops(cost)),
        lost_wire=lost_wire(cost),
        phases=tuple(
            Phase(number, site, phase, seconds, bool(modelled))
            for number, site, phase, seconds, modelled in run.connection.execute(
                "SELECT round, site, phase, seconds, emulated FROM times ORDER BY round, site"
            )
        ),
        pulls=tuple(_pulled(entry) for entry in run.pulls()),
        faults=tuple(_broken(entry) for entry in summary["faults"] if not entry["refused"]),
        topology=run.topology(),
        site_metrics=_site_metrics(run),
    )


def _round(entry: Mapping[str, Any], ends: Mapping[int, float]) -> Round:
    return Round(
        number=entry["round"],
        wall_s=entry["wall_s"],
        emulated_s=entry["emulated_s"],
        emulated_end_s=ends.get(entry["round"]) or 0.0,
        participants=tuple(entry["participants"]),
        missing=entry["missing"],
        metrics={name: value for name, value in entry["metrics"].items() if value is not None},
        fidelity=entry["fidelity"],
        strays=tuple(entry["fidelity_why"]),
        model_sha256=entry["model_sha256"] or "",
    )


def _broken(entry: Mapping[str, Any]) -> Broken:
    values = {field.name: entry[field.name] for field in fields(Broken)}
    return Broken(**{**values, "on": tuple(entry["on"])})


def _pulled(entry: Mapping[str, Any]) -> Pull:
    return Pull(entry["site"], Fetched(**{field.name: entry[field.name] for field in fields(Fetched)}))


def _site_metrics(run: Run) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for site, name, value in run.connection.execute(
        "SELECT site, name, value FROM metrics WHERE site != '' AND round = (SELECT max(round) FROM metrics)"
    ):
        found.setdefault(site, {})[name] = value
    return found


def _summed(rows: Iterable[tuple[Outer, str, Amount]]) -> dict[Outer, dict[str, Amount]]:
    sums: defaultdict[Outer, dict[str, Amount]] = defaultdict(dict)
    for outer, inner, amount in rows:
        sums[outer][inner] = sums[outer].get(inner, type(amount)(0)) + amount
    return dict(sums)
