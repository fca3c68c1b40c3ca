"""Who takes part in a round, when it goes on without the rest, and whose updates are put together: as the run's policy
says, or as in a recorded run.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

from emulator.topology.resolved import Training
from trainer import weights
from trainer.aggregation import Update, share_of_stale
from trainer.clock.phases import NEVER, TICK_S, Enough, Moments, Phase
from trainer.clock.real import RealTime
from trainer.clock.stage import Stage
from trainer.config import Scripted
from trainer.hub.desk import Desk
from trainer.record import Writer
from trainer.record.log import Event

Why = Mapping[str, str]


class Attendance(Protocol):
    """Decides for one run. Moments are on the emulated clock, s."""

    def absent(self, number: int, now_s: float) -> Why:
        """Sites that take no part in the round that begins now, and why."""
        ...

    def quorum(self, number: int) -> int:
        """How many updates a round needs."""
        ...

    def enough(self, number: int, began_s: float) -> Enough:
        """When the round may go on without those that are behind."""
        ...

    def close(self, number: int, phase: Moments | RealTime) -> Why:
        """Training is over; what becomes of those that are behind is settled: why each of them is missing."""
        ...

    def updates(self, number: int, through: Sequence[str], now_s: float) -> list[Update]:
        """What is put together, in its order."""
        ...


def needed(quorum: float, sites: int) -> int:
    """How many of so many sites are that share of them, rounded up. Decimal: 0.7 of 10 sites are 7."""
    return math.ceil(Decimal(repr(quorum)) * sites)


@dataclass(frozen=True)
class _Arrived:
    update: Update
    at_s: float


class ByPolicy:
    """As `training: {quorum, deadline, late, staleness}` says."""

    def __init__(self, training: Training, sites: int, desk: Desk, stage: Stage, writer: Writer) -> None:
        self._training = training
        self._needed = needed(training.quorum, sites)
        self._desk = desk
        self._stage = stage
        self._writer = writer
        self._owed: dict[str, int] = {}  # rounds of which an update was still awaited when they were closed, by site
        self._here: list[_Arrived] = [
            _Arrived(_kept(event, writer), event["at_s"]) for event in unused(writer.events, _last(writer))
        ]
        stage.came_late = self._came

    def absent(self, number: int, now_s: float) -> Why:
        """Sites that are still busy with an earlier round."""
        on_their_way = {site: self._owed[site] for site in self._stage.behind}
        to_come = {one.update.site: one.update.round for one in self._here if one.at_s > now_s + TICK_S}
        return {
            site: f"late: its update of round {owed} is still on its way"
            for site, owed in (on_their_way | to_come).items()
        }

    def quorum(self, number: int) -> int:
        """The same in every round."""
        return self._needed

    def enough(self, number: int, began_s: float) -> Enough:
        """At the deadline, once there is a quorum."""
        training = self._training
        if training.deadline_s is None or training.late == "wait":
            return NEVER
        return Enough(began_s + training.deadline_s, max(1, self._needed))

    def close(self, number: int, phase: Moments | RealTime) -> Why:
        """Those that are behind are turned away, or go on beside the next round."""
        behind = phase.behind
        if not behind:
            return {}
        drops = self._training.late == "drop"
        for site in behind:
            self._writer.event("late", round=number, site=site, becomes="dropped" if drops else "awaited")
        if drops:
            self._stage.turn_away(phase)
        else:
            self._owed |= dict.fromkeys(behind, number)
            self._stage.go_on_beside(phase)
            self._desk.behind = self._stage.behind
        why = f"late: no update within the deadline of {self._training.deadline_s:g} s; it is "
        return dict.fromkeys(behind, why + ("dropped" if drops else "awaited for the next round"))

    def updates(self, number: int, through: Sequence[str], now_s: float) -> list[Update]:
        """Those of this round, and late ones that have come by now."""
        come = [one.update for one in self._here if one.at_s <= now_s + TICK_S]
        self._here = [one for one in self._here if one.at_s > now_s + TICK_S]
        exponent = self._training.staleness
        late = [replace(update, share=share_of_stale(number - update.round, exponent)) for update in come]
        return [*(self._desk.updates[site] for site in through), *late]

    def _came(self, phase: Phase, site: str) -> None:
        """A late update is here. It is kept before it is counted on, so that a kill does not lose it."""
        update = self._desk.updates.pop(site, None)
        if update is None or not isinstance(phase, Moments | RealTime):
            return
        at_s = phase.arrived_at(site)
        name = self._writer.keep(weights.pack(update.weights, {"samples": update.samples}))
        self._writer.event("late-arrival", durable=True, round=update.round, site=site, sha256=name, at_s=at_s)
        self._here.append(_Arrived(update, at_s))


def unused(events: Iterable[Event], last_round: int) -> list[Event]:
    """The late arrivals that a run still has to count, when it goes on after `last_round`: those of rounds that were
    closed, which no closed round has counted.
    """
    here: dict[tuple[str, int], Event] = {}
    for event in events:
        if event["event"] == "late-arrival" and event["round"] <= last_round:
            here[event["site"], event["round"]] = event
        elif event["event"] == "aggregated" and event["round"] <= last_round:
            for used in event["updates"]:
                here.pop((used["site"], used["round"]), None)
    return [here[key] for key in sorted(here)]


def _kept(event: Event, writer: Writer) -> Update:
    data = writer.kept(event["sha256"])
    samples: Any = weights.note(data)["samples"]
    return Update(event["site"], int(samples), weights.unpack(data), event["round"])


def _last(writer: Writer) -> int:
    return writer.last.round if writer.last else 0


class ByScript:
    """As it was in a recorded run: whose updates its rounds had, from which rounds, and in which order."""

    def __init__(self, script: Sequence[Scripted], sites: Iterable[str], desk: Desk) -> None:
        self._script = {scripted.round: scripted for scripted in script}
        self._sites = frozenset(sites)
        self._desk = desk
        self._held: dict[tuple[str, int], Update] = {}

    def absent(self, number: int, now_s: float) -> Why:
        """Sites whose update of this round went into no model."""
        left_out = self._sites - {*self._script[number].train}
        return dict.fromkeys(left_out, "not in the recorded round")

    def quorum(self, number: int) -> int:
        """All that took part then."""
        return len(self._script[number].train)

    def enough(self, number: int, began_s: float) -> Enough:
        """Everybody is waited for."""
        return NEVER

    def close(self, number: int, phase: Moments | RealTime) -> Why:
        """Nobody is behind."""
        return {}

    def updates(self, number: int, through: Sequence[str], now_s: float) -> list[Update]:
        """Those that the recorded round put together, late ones with the share that they had."""
        self._held |= {(site, number): self._desk.updates[site] for site in through}
        return [replace(self._held.pop((used.site, used.round)), share=used.share) for used in self._script[number].use]
