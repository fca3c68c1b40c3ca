"""How far each site is on the emulated clock: real seconds for transfers, modelled ones for computing."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainer.clock.phases import Gate, Moments, Passage, Phase

MODELLED: tuple[Gate, ...] = ("train", "eval")


@dataclass(frozen=True)
class Stretch:
    """What one site spent on one gate: `seconds` count on the emulated clock; `modelled` where its compute
    profile says so.
    """

    site: str
    gate: Gate
    seconds: float
    modelled: bool


class Hands:
    """One hand a site, all set to `start` (s) when the round begins."""

    def __init__(self, start: float, seconds_per_sample: Mapping[str, float]) -> None:
        self._start = start
        self._seconds_per_sample = seconds_per_sample
        self.at: dict[str, float] = dict.fromkeys(seconds_per_sample, start)

    def advance(self, phase: Phase) -> list[Stretch]:
        """Moves the hands of the sites that went through `phase`; what it took each of them."""
        if isinstance(phase, Moments):
            return [self._arrive(phase, site) for site in phase.sites if site in phase.ended]
        stretches = [
            self._stretch(site, gate, passage) for site in phase.sites for gate, passage in phase.passed[site].items()
        ]
        for stretch in stretches:
            self.at[stretch.site] += stretch.seconds
        return stretches

    def meet(self, sites: tuple[str, ...], not_before: float = 0.0) -> float:
        """The moment when the last of `sites` is there (or `not_before`); all of them go on from it."""
        moment = max(self._start, not_before, *(self.at[site] for site in sites))
        for site in self.at:
            self.at[site] = moment
        return moment

    def _arrive(self, phase: Moments, site: str) -> Stretch:
        gate = next(iter(phase.passed[site]))
        self.at[site] = phase.ended[site]
        return Stretch(site, gate, phase.ended[site] - phase.began[site], modelled=False)

    def _stretch(self, site: str, gate: Gate, passage: Passage) -> Stretch:
        if gate in MODELLED:
            return Stretch(site, gate, passage.work * self._seconds_per_sample[site], modelled=True)
        return Stretch(site, gate, passage.seconds, modelled=False)
