"""What is gathered while a round goes on, and how it becomes the round's record."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from trainer.clock.emulated import Hands, Stretch
from trainer.clock.phases import Phase
from trainer.clock.real import RealTime
from trainer.hub.fidelity import LATE_S
from trainer.messages import Report
from trainer.record import Bytes, Pull, Time
from trainer.record.log import utc_now
from trainer.scores import Outcome, pooled, scores


@dataclass
class Book:
    """One round in progress."""

    number: int
    hands: Hands
    started: str = field(default_factory=utc_now)
    began: float = field(default_factory=time.monotonic)
    missing: dict[str, str] = field(default_factory=dict)
    stretches: list[Stretch] = field(default_factory=list)
    late: dict[str, str] = field(default_factory=dict)
    overruns: dict[str, float] = field(default_factory=dict)
    latest_s: float = 0.0

    def enter(self, phase: Phase) -> None:
        """Keeps what a finished phase tells."""
        self.stretches += self.hands.advance(phase)
        if isinstance(phase, RealTime):
            for (site, _), by_s in phase.overruns.items():
                self.overruns[site] = max(self.overruns.get(site, 0.0), by_s)
        for site in phase.sites:
            for gate, passage in phase.passed[site].items():
                if gate in ("model", "update", "send"):
                    self.latest_s = max(self.latest_s, passage.started - phase.granted_at[site])

    @property
    def wall_s(self) -> float:
        """Real seconds since the round began."""
        return time.monotonic() - self.began

    @property
    def overran(self) -> dict[str, float]:
        """Sites whose computing or pull ended too late on the real clock, and by how much (s)."""
        return {site: by_s for site, by_s in sorted(self.overruns.items()) if by_s > LATE_S}

    def times(self) -> tuple[Time, ...]:
        """Seconds by site and phase; the model comes down twice in a first round, which is added up."""
        added: dict[tuple[str, str], Time] = {}
        for stretch in self.stretches:
            if stretch.gate in ("order", "report"):  # control messages: on the clock, but no phases of their own
                continue
            key = (stretch.site, stretch.gate)
            before = added[key].seconds if key in added else 0.0
            added[key] = Time(stretch.site, stretch.gate, before + stretch.seconds, stretch.modelled)
        return tuple(added[key] for key in sorted(added))


def pull_bytes(pulls: Iterable[Pull]) -> list[Bytes]:
    """Payload of pulls by site."""
    added: dict[str, tuple[int, int]] = {}
    for site, fetched in pulls:
        rx, tx = added.get(site, (0, 0))
        added[site] = (rx + fetched.rx, tx + fetched.tx)
    return [Bytes(site, "pull", rx, tx) for site, (rx, tx) in sorted(added.items())]


def metrics(reports: dict[str, Report], classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Scores by site, and over all subjects together under ''."""
    outcomes = {site: _outcome(report, len(classes)) for site, report in reports.items()}
    by_site = {site: scores(outcome, classes) for site, outcome in sorted(outcomes.items())}
    return {"": pooled(outcomes, classes), **by_site}


def _outcome(report: Report, classes: int) -> Outcome:
    return Outcome(
        np.array(report.probabilities, dtype=np.float64).reshape(-1, classes),
        np.array(report.labels, dtype=np.int64),
    )
