"""The clock that jumps over nothing: the measure that the emulated one is held against."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from trainer.clock.phases import MODELLED, NEVER, TICK_S, Enough, Gate, Passage, Phase

ON_PROCESSOR: tuple[Gate, ...] = ("pull", *MODELLED)


@dataclass(frozen=True)
class Running:
    """A clock that never stands still: it showed `start` (s) when the monotonic clock showed `since` (s)."""

    start: float
    since: float

    def at(self, now: float) -> float:
        """What it shows."""
        return self.start + now - self.since


class RealTime(Phase):
    """Each site goes at its own pace, from an order to its last answer.

    A site's modelled computing goes on from when it asks to compute for `modelled(site, work)` seconds; its next gate
    stays shut until then. The work itself is done before that, as soon as one of `slots` is free. What needs longer
    is late by its *overrun*; so is a pull that waits for a slot, since its own machine would not let it wait. Where it
    was closed, those that are behind go on beside what comes next.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
        sites: Iterable[str],
        now: float,
        deadline_s: float,
        clock: Running,
        slots: int,
        modelled: Callable[[str, float], float],
        enough: Enough = NEVER,
    ) -> None:
        super().__init__(gates, sites, now, deadline_s)
        self._enough = enough
        self.clock = clock
        self._slots = slots
        self._modelled = modelled
        self._asked_at: dict[str, float] = {}
        self._busy_until: dict[str, float] = {}
        self.left_at: dict[str, float] = dict.fromkeys(self.sites, now)  # the last gate that was passed
        self.overruns: dict[tuple[str, str], float] = {}  # by site and gate, s

    @property
    def over(self) -> bool:
        """Whether every site is through or out, and its computing over; or those that are through have to be enough."""
        return self.closed or (super().over and not self._busy_until)

    def ask(self, site: str, gate: Gate, now: float) -> None:
        """A worker stands at a gate; if it is one of computing, that begins on the clock."""
        super().ask(site, gate, now)
        if self.asking.get(site) == gate:
            self._asked_at[site] = now

    def grant(self, now: float) -> list[str]:
        """Lets through whoever may go now, unless those that are through are enough; these sites."""
        self._busy_until = {site: until for site, until in self._busy_until.items() if until > now}
        if not self.closed and self.behind:
            self.closed = self._enough.reached(len(self.through), self.clock.at(now))
            if self.closed:
                return []
        return super().grant(now)

    def done(self, site: str, gate: Gate, passage: Passage, now: float) -> None:
        """A worker has done what lies behind its gate; computing goes on for as long as it is modelled to."""
        if self.going.get(site) == gate:
            self.left_at[site] = passage.ended
            if gate in MODELLED:
                self._compute(site, gate, passage)
            elif gate in ON_PROCESSOR:
                self.overruns[site, gate] = self.granted_at[site] - self._asked_at[site]
        super().done(site, gate, passage, now)

    def out(self, site: str, now: float) -> None:
        """A site takes no further part."""
        super().out(site, now)
        self._busy_until.pop(site, None)

    def wake_at(self, now: float) -> float | None:
        """Also when the next site's computing is over, or the phase may close."""
        moments = [*self._busy_until.values()]
        if (deadline := super().wake_at(now)) is not None:
            moments.append(deadline)
        if not self.closed and TICK_S < (left := self._enough.at - self.clock.at(now)) < math.inf:
            moments.append(now + left)
        return min(moments, default=None)

    def arrived_at(self, site: str) -> float:
        """The moment on the clock at which a site got through, s."""
        return self.clock.at(self.left_at[site])

    def _compute(self, site: str, gate: Gate, passage: Passage) -> None:
        until = self._asked_at[site] + self._modelled(site, passage.work)
        self._busy_until[site] = until
        self.left_at[site] = max(until, passage.ended)
        self.overruns[site, gate] = max(0.0, passage.ended - until)

    def _choose(self, now: float) -> list[str]:
        ready = sorted(site for site in self.asking if site not in self._busy_until)
        queue = sorted((site for site in ready if self.asking[site] in ON_PROCESSOR), key=self._asked_at.__getitem__)
        free = self._slots - sum(gate in ON_PROCESSOR for gate in self.going.values())
        return [site for site in ready if self.asking[site] not in ON_PROCESSOR] + queue[:free]
