"""How far each site is on the emulated clock: real seconds for transfers, modelled ones for computing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from trainer.clock.phases import MODELLED, Fetching, Gate, Moments, Passage, Phase
from trainer.clock.real import RealTime, Running


@dataclass(frozen=True)
class Stretch:
    """What one site spent on one gate, or on waiting for its order: `seconds` count on the emulated clock; `modelled`
    where its compute profile says so.
    """

    site: str
    gate: Gate | Literal["order"]
    seconds: float
    modelled: bool


class Hands:
    """One hand a site, all set to `start` (s) when the round begins. `met` is when all of them last met."""

    def __init__(self, start: float, seconds_per_sample: Mapping[str, float]) -> None:
        self.met = start
        self._seconds_per_sample = seconds_per_sample
        self._running: Running | None = None
        self.at: dict[str, float] = dict.fromkeys(seconds_per_sample, start)

    def run(self, now: float) -> Running:
        """The clock that shows where the hands stand now, and never stands still from then on to the round's end."""
        self._running = self._running or Running(self.met, now)
        return self._running

    def modelled(self, site: str, work: float) -> float:
        """How long computing takes (s), for `work` samples × epochs."""
        return work * self._seconds_per_sample[site]

    def shows(self, phase: Phase | None, now: float) -> float:
        """The emulated moment (s) while `phase` is played: of the last hand, where sites have no clock in common."""
        if isinstance(phase, Moments):
            return phase.emulated(now)
        if isinstance(phase, RealTime):
            return phase.clock.at(now)
        return max(self.at.values(), default=self.met)

    def advance(self, phase: Phase) -> list[Stretch]:
        """Moves the hands of the sites that went through `phase`; what it took each of them."""
        if isinstance(phase, Moments):
            return [self._arrive(phase, site) for site in phase.sites if site in phase.ended]
        stretches = [
            self._stretch(site, gate, passage) for site in phase.sites for gate, passage in phase.passed[site].items()
        ]
        if isinstance(phase, RealTime):
            self.at.update({site: phase.clock.at(phase.left_at[site]) for site in phase.sites})
            late = phase.overruns
            return [replace(one, seconds=one.seconds + late.get((one.site, one.gate), 0.0)) for one in stretches]
        if isinstance(phase, Fetching):
            stretches += [Stretch(site, "order", phase.delivered[site], modelled=False) for site in phase.sites]
        for stretch in stretches:
            self.at[stretch.site] += stretch.seconds
        return stretches

    def meet(self, sites: tuple[str, ...], not_before: float = 0.0) -> float:
        """The moment when the last of `sites` is there (or `not_before`); all of them go on from it."""
        self.met = max(self.met, not_before, *(self.at[site] for site in sites))
        self.at = dict.fromkeys(self.at, self.met)
        return self.met

    def _arrive(self, phase: Moments, site: str) -> Stretch:
        gate = next(iter(phase.passed[site]))
        self.at[site] = phase.ended[site]
        return Stretch(site, gate, phase.ended[site] - phase.began[site], modelled=False)

    def _stretch(self, site: str, gate: Gate, passage: Passage) -> Stretch:
        if gate in MODELLED:
            return Stretch(site, gate, self.modelled(site, passage.work), modelled=True)
        return Stretch(site, gate, passage.seconds, modelled=False)
