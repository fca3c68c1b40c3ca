"""A phase of a round: every site passes its gates, in order, when the phase lets it.

A worker *asks* at a gate, is *granted* it, does what lies behind it, and is *done*; or it *skips* the gate,
having nothing to do. Times are seconds of one monotonic clock that hub and workers share; nothing here reads
a clock.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

TICK_S = 1e-6  # moments closer than this are one: sums of floats that should be equal are not

Gate = Literal["pull", "send", "model", "train", "update", "eval", "report"]
MODELLED: tuple[Gate, ...] = ("train", "eval")


@dataclass(frozen=True)
class Passage:
    """What a worker says of a gate that it has passed: when (s), how much modelled work (samples × epochs)."""

    started: float
    ended: float
    work: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it really took."""
        return self.ended - self.started


@dataclass(frozen=True)
class Enough:
    """When a phase goes on without those that are behind: from `at` on (s of the emulated clock), once as many as
    `quorum` are through.
    """

    at: float = math.inf
    quorum: int = 0

    def reached(self, through: int, emulated: float) -> bool:
        """Whether it may go on now."""
        return emulated >= self.at - TICK_S and through >= self.quorum


NEVER = Enough()


class Phase(ABC):
    """Who is where. A site that owes an answer (to ask, or to be done) for `deadline_s` is overdue."""

    def __init__(self, gates: Sequence[Gate], sites: Iterable[str], now: float, deadline_s: float) -> None:
        self.gates = tuple(gates)
        self.deadline_s = deadline_s
        self._left: dict[str, list[Gate]] = {site: list(gates) for site in sorted(sites)}
        self._owes_since: dict[str, float] = dict.fromkeys(self._left, now)
        self.asking: dict[str, Gate] = {}
        self.going: dict[str, Gate] = {}
        self.granted_at: dict[str, float] = {}
        self.passed: dict[str, dict[Gate, Passage]] = {site: {} for site in self._left}
        self.closed = False  # the round has gone on without those that are behind

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that are still in, sorted."""
        return tuple(self._left)

    @property
    def through(self) -> tuple[str, ...]:
        """Those that have passed all gates, sorted."""
        return tuple(site for site, left in self._left.items() if not left)

    @property
    def behind(self) -> tuple[str, ...]:
        """Those that have not, sorted."""
        return tuple(site for site, left in self._left.items() if left)

    @property
    def over(self) -> bool:
        """Whether the round may go on: every site is through or out, or those that are have to be enough."""
        return self.closed or not self.behind

    def ask(self, site: str, gate: Gate, now: float) -> None:
        """A worker stands at a gate."""
        if self._expects(site, gate):
            self.asking[site] = gate
            self._owes_since.pop(site, None)

    def skip(self, site: str, gate: Gate, now: float) -> None:
        """A worker has nothing to do behind a gate."""
        if self._expects(site, gate):
            self._through(site, now)

    def grant(self, now: float) -> list[str]:
        """Lets through whoever may go now; these sites."""
        chosen = self._choose(now)
        for site in chosen:
            self.going[site] = self.asking.pop(site)
            self.granted_at[site] = self._owes_since[site] = now
        return chosen

    def held(self, sites: Sequence[str], by_s: float) -> None:
        """Sites that were granted their gates hear of it so much later."""
        for site in sites:
            self.granted_at[site] += by_s
            self._owes_since[site] += by_s

    def done(self, site: str, gate: Gate, passage: Passage, now: float) -> None:
        """A worker has done what lies behind its gate."""
        if self.going.get(site) == gate:
            del self.going[site]
            self.passed[site][gate] = passage
            self._through(site, now)

    def heard(self, site: str, now: float) -> None:
        """What lies behind a site's gate gets on: it is not overdue, however long it takes in all."""
        if site in self.going:
            self._owes_since[site] = now

    def out(self, site: str, now: float) -> None:
        """A site takes no further part. What it has passed is forgotten."""
        for place in (self._left, self._owes_since, self.asking, self.going, self.passed):
            place.pop(site, None)

    def overdue(self, now: float) -> list[str]:
        """Sites that have owed an answer for too long."""
        return sorted(site for site, since in self._owes_since.items() if now - since >= self.deadline_s)

    def wake_at(self, now: float) -> float | None:
        """When to look again if nothing happens; None for never."""
        return min((since + self.deadline_s for since in self._owes_since.values()), default=None)

    def _expects(self, site: str, gate: Gate) -> bool:
        standing = site in self.asking or site in self.going
        return bool(self._left.get(site)) and not standing and self._left[site][0] == gate

    def _through(self, site: str, now: float) -> None:
        self._left[site].pop(0)
        self._owes_since.pop(site, None)
        if self._left[site]:
            self._owes_since[site] = now

    def _all_stand_ready(self) -> bool:
        return all(site in self.asking or site in self.going or not left for site, left in self._left.items())

    @abstractmethod
    def _choose(self, now: float) -> list[str]:
        """Which of `asking` may go now."""


class Together(Phase):
    """Transfers that all begin at one moment, once every site stands ready; they contend as they will."""

    def _choose(self, now: float) -> list[str]:
        return sorted(self.asking) if self._all_stand_ready() else []


class Fetching(Together):
    """The first phase after an order, which was given at `now`: it has to get there before the model can be fetched.

    `delivered` is how long that took (s): until the site's first word.
    """

    def __init__(self, sites: Iterable[str], now: float, deadline_s: float) -> None:
        super().__init__(("model",), sites, now, deadline_s)
        self._ordered = now
        self.delivered: dict[str, float] = {}

    def ask(self, site: str, gate: Gate, now: float) -> None:
        """The order has come, and the model has to be fetched."""
        self.delivered.setdefault(site, now - self._ordered)
        super().ask(site, gate, now)

    def skip(self, site: str, gate: Gate, now: float) -> None:
        """The order has come, and the model is there already."""
        self.delivered.setdefault(site, now - self._ordered)
        super().skip(site, gate, now)


class Slots(Phase):
    """Computing: at most `slots` sites at once, because the machine has no more; a slot falls free with its site."""

    def __init__(self, gates: Sequence[Gate], sites: Iterable[str], now: float, deadline_s: float, slots: int) -> None:
        super().__init__(gates, sites, now, deadline_s)
        self._slots = slots

    def _choose(self, now: float) -> list[str]:
        # Who has begun goes on first: the volumes that it has just pulled are warm.
        ordered = sorted(self.asking, key=lambda site: (not self.passed[site], site))
        return ordered[: self._slots - len(self.going)]


class Moments(Phase):
    """Transfers that begin at emulated moments (s): the clock runs while one is in flight, and jumps where none is.

    Nothing begins before every site stands ready, so that no computing shares the machine with a transfer. Where it was
    closed, those that are behind go on by the same clock, beside what comes next.
    """

    def __init__(
        self,
        gate: Gate,
        moments: Mapping[str, float],
        now: float,
        deadline_s: float,
        start: float = 0.0,
        enough: Enough = NEVER,
    ) -> None:
        super().__init__((gate,), moments, now, deadline_s)
        self._moments = dict(moments)
        self._enough = enough
        self._emulated = start  # the clock when it last stood still …
        self._since: float | None = None  # … and when it began to run again
        self.last_end = start
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def grant(self, now: float) -> list[str]:
        """Lets through whoever may go now, unless those that are through are enough; these sites."""
        if not self.closed and self._all_stand_ready():
            clock = self.emulated(now) if self.going else max(self._emulated, self._next_moment())
            self.closed = bool(self.behind) and self._enough.reached(len(self.through), clock)
            if self.closed:
                self.last_end = max(self.last_end, self._enough.at)
                return []
        return super().grant(now)

    def emulated(self, now: float) -> float:
        """The emulated clock, s."""
        return self._emulated if self._since is None else self._emulated + max(0.0, now - self._since)

    def held(self, sites: Sequence[str], by_s: float) -> None:
        """The clock stands still meanwhile, unless others' transfers are in flight."""
        super().held(sites, by_s)
        if self._since is not None and set(self.going) <= set(sites):
            self._since += by_s

    def done(self, site: str, gate: Gate, passage: Passage, now: float) -> None:
        """A transfer has ended; the clock stands still where it was the last in flight."""
        if site in self.going:
            self.ended[site] = max(self.emulated(passage.ended), self.began[site])
            self.last_end = max(self.last_end, self.ended[site])
        super().done(site, gate, passage, now)
        self._stand_still_at(self.last_end)

    def out(self, site: str, now: float) -> None:
        """A site takes no further part; what its transfer has cost so far stays on the clock."""
        was_going = site in self.going
        super().out(site, now)
        self.ended.pop(site, None)
        if was_going:
            self.last_end = max(self.last_end, self.emulated(now))
            self._stand_still_at(self.last_end)

    def wake_at(self, now: float) -> float | None:
        """Also when the next transfer is due, or the phase may close."""
        deadline = super().wake_at(now)
        if self._since is None or not self._all_stand_ready():
            return deadline
        clock = self.emulated(now)
        closes = self._enough.at if not self.closed and self._enough.at > clock + TICK_S else math.inf
        due = now + max(0.0, min(self._next_moment(), closes) - clock)
        return min((at for at in (due, deadline) if at is not None and at < math.inf), default=None)

    def arrived_at(self, site: str) -> float:
        """The emulated moment at which a site got through, s."""
        return self.ended[site]

    def _next_moment(self) -> float:
        return min((self._moments[site] for site in self.asking), default=math.inf)

    def _stand_still_at(self, emulated: float) -> None:
        if not self.going and self._since is not None:
            self._emulated, self._since = emulated, None

    def _choose(self, now: float) -> list[str]:
        if not self.asking or not self._all_stand_ready():
            return []
        if not self.going:
            self._emulated, self._since = max(self._emulated, self._next_moment()), now
        clock = self.emulated(now)
        due = [site for site in self.asking if self._moments[site] <= clock + TICK_S]
        self.began.update(dict.fromkeys(due, clock))
        return sorted(due, key=lambda site: (self._moments[site], site))
