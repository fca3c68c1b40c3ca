"""How the phases of a round follow one another, on the emulated clock and on the real one."""

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from emulator.topology.resolved import Clock
from trainer.clock.emulated import Hands
from trainer.clock.phases import NEVER, Enough, Fetching, Gate, Moments, Phase, Slots, Together
from trainer.clock.real import RealTime


@dataclass(frozen=True)
class Course(ABC):
    """One round's course. `play` leads sites through a phase and moves `hands` by it; `slots` sites may use the
    processor at once.
    """

    hands: Hands
    play: Callable[[Phase], Awaitable[None]]
    deadline_s: float
    slots: int

    @abstractmethod
    async def send(self, sites: tuple[str, ...]) -> tuple[str, ...]:
        """From the order to the last study at the hub, where all hands meet; the sites that got through."""

    @abstractmethod
    async def train(self, sites: tuple[str, ...], enough: Enough) -> Moments | RealTime:
        """From the order to the last update, where all hands meet, or until what has come is `enough`; the last phase:
        who is `through`, and who is `behind`.
        """

    @abstractmethod
    async def evaluate(self, sites: tuple[str, ...]) -> tuple[str, ...]:
        """From the order to the last report, where all hands meet; the sites whose report is there."""


class Emulated(Course):
    """Phase after phase, so that nothing computes while anything is in flight."""

    async def send(self, sites: tuple[str, ...]) -> tuple[str, ...]:
        """Each site begins to send when it has pulled its studies."""
        return (await self._prepared_then(("pull",), "send", sites, NEVER)).through

    async def train(self, sites: tuple[str, ...], enough: Enough) -> Moments | RealTime:
        """Uploads begin at their emulated moments. A site that can't fetch the model before `enough.at` is out."""
        return await self._prepared_then(("pull", "train"), "update", sites, enough)

    async def _prepared_then(
        self, gates: tuple[Gate, ...], upload: Gate, sites: tuple[str, ...], enough: Enough
    ) -> Moments:
        fetched = Fetching(sites, time.monotonic(), min(self.deadline_s, enough.at - self.hands.met))
        await self.play(fetched)
        prepared = Slots(gates, fetched.sites, time.monotonic(), self.deadline_s, self.slots)
        await self.play(prepared)
        ready = {site: self.hands.at[site] for site in prepared.sites}
        start = min(ready.values(), default=0.0)
        sent = Moments(upload, ready, time.monotonic(), self.deadline_s, start, enough)
        await self.play(sent)
        self.hands.meet(sent.through, sent.last_end)
        return sent

    async def evaluate(self, sites: tuple[str, ...]) -> tuple[str, ...]:
        """Reports begin all at once: they are too small to be in each other's way."""
        fetched = Fetching(sites, time.monotonic(), self.deadline_s)
        await self.play(fetched)
        scored = Slots(("eval",), fetched.sites, time.monotonic(), self.deadline_s, self.slots)
        await self.play(scored)
        told = Together(("report",), scored.sites, time.monotonic(), self.deadline_s)
        await self.play(told)
        self.hands.meet(told.sites)
        return told.sites


class Real(Course):
    """Every site by itself, in real time; the hands show what a clock on the wall would."""

    async def send(self, sites: tuple[str, ...]) -> tuple[str, ...]:
        """Each site sends when it has pulled."""
        return (await self._go(("model", "pull", "send"), sites, NEVER)).through

    async def train(self, sites: tuple[str, ...], enough: Enough) -> Moments | RealTime:
        """Uploads begin when they would."""
        return await self._go(("model", "pull", "train", "update"), sites, enough)

    async def evaluate(self, sites: tuple[str, ...]) -> tuple[str, ...]:
        """Reports begin when they would."""
        return (await self._go(("model", "eval", "report"), sites, NEVER)).through

    async def _go(self, gates: tuple[Gate, ...], sites: tuple[str, ...], enough: Enough) -> RealTime:
        now = time.monotonic()
        clock = self.hands.run(now)
        phase = RealTime(gates, sites, now, self.deadline_s, clock, self.slots, self.hands.modelled, enough)
        await self.play(phase)
        self.hands.meet(phase.through, clock.at(time.monotonic()))
        return phase


COURSES: dict[Clock, type[Course]] = {"emulated": Emulated, "real": Real}
