"""The hub's end of the stage: hears every worker and the launcher, and plays the phases of a round."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from trainer.clock.phases import Gate, Passage, Phase
from trainer.messages import Ask, Done, Failed, stage_message
from trainer.record.rounds import Pull


@dataclass(frozen=True)
class Heard:
    """One worker's word."""

    site: str
    message: Ask | Done


@dataclass(frozen=True)
class Lost:
    """A site that falls out of the round, and why."""

    site: str
    why: str


_LONGEST_LINE = 2**26  # a site with ten thousand studies tells each of them at once

Played = TypeVar("Played", bound=Phase)
Outcry = Callable[[Lost], None]


class Stage:
    """All connections to workers, and one inbox for what happens; phases take from it, one after another."""

    def __init__(self, end_worker: Callable[[str], None]) -> None:
        self._inbox: asyncio.Queue[Heard | Lost] = asyncio.Queue()
        self._writers: dict[str, asyncio.StreamWriter] = {}
        self._pulls: list[Pull] = []
        self._early: list[Heard | Lost] = []  # of workers that are a phase ahead of the slowest
        self._end_worker = end_worker
        self._phase: Phase | None = None
        self._beside: list[Phase] = []  # closed, with sites that are behind
        self.came_late: Callable[[Phase, str], None] = lambda _phase, _site: None
        self.going: Callable[[Gate, Sequence[str]], Awaitable[None]] = _nothing
        """Called as sites are let through a gate, before they hear of it."""
        self.changed = asyncio.Event()

    @property
    def present(self) -> frozenset[str]:
        """Sites whose worker is there."""
        return frozenset(self._writers)

    async def listen(self, site: str, connection: socket.socket) -> None:
        """Hear one worker until it ends."""
        reader, writer = await asyncio.open_connection(sock=connection, limit=_LONGEST_LINE)
        self._writers[site] = writer
        self.changed.set()
        try:
            while line := await reader.readline():
                self._hear(site, stage_message.validate_json(line))
        except ConnectionError:
            pass  # the launcher says how the worker ended
        finally:
            if self._writers.get(site) is writer:
                del self._writers[site]
            writer.close()

    def _hear(self, site: str, message: Ask | Done | Failed) -> None:
        """What was pulled counts, whatever becomes of the site in this round."""
        if not isinstance(message, Ask):
            self._pulls += [Pull(site, fetched) for fetched in message.pulls]
        if not isinstance(message, Failed):
            self._inbox.put_nowait(Heard(site, message))

    def take_pulls(self) -> list[Pull]:
        """What workers have pulled since the last taking, in the order of sites; of each, as it came."""
        taken, self._pulls = self._pulls, []
        return sorted(taken, key=lambda pull: pull.site)

    def forget(self, site: str) -> None:
        """A site's worker has ended."""
        writer = self._writers.pop(site, None)
        if writer is not None:
            writer.close()

    def forget_the_past(self) -> None:
        """Drop what has happened and concerns no round any more."""
        early, self._early = self._early, []
        while not self._inbox.empty():
            early.append(self._inbox.get_nowait())
        for happened in early:
            if phase := self._beside_of(happened.site):
                self._take(phase, happened, _nobody)

    @property
    def behind(self) -> frozenset[str]:
        """Sites that are still on their way in a phase that was closed."""
        return frozenset(site for phase in self._beside for site in phase.behind)

    def go_on_beside(self, phase: Phase) -> None:
        """Those that are behind in a closed phase go on in it, beside those that are played next; `came_late` is called
        for each that gets through.
        """
        self._beside.append(phase)

    def turn_away(self, phase: Phase) -> None:
        """Those that are behind in a closed phase are to drop what they do. Who waits at a gate hears so; the worker of
        one that is on its way is ended, and another takes its place.
        """
        for site in phase.behind:
            if site in phase.asking and site in self._writers:
                self._writers[site].write(b"no\n")
            else:
                self._end(site)

    def lose(self, lost: Lost) -> None:
        """A site can't go on: whatever phase is on goes on without it."""
        self._inbox.put_nowait(lost)
        self.changed.set()

    def heard(self, site: str) -> None:
        """Something of what a site is sending has come."""
        if self._phase is not None:
            self._phase.heard(site, time.monotonic())

    async def play(self, phase: Played, outcry: Outcry) -> Played:
        """Lead all sites through `phase`. Calls `outcry` for each that falls out; its worker is ended if it
        was overdue.
        """
        self._phase = phase
        early, self._early = self._early, []
        for happened in early:
            self._take(self._beside_of(happened.site) or phase, happened, outcry)
        while True:
            self._beside = [one for one in self._beside if one.behind]
            playing: tuple[Phase, ...] = (phase, *self._beside)
            for one in playing:
                await self._grant(one)
            if phase.over:
                return phase
            now = time.monotonic()
            wake = min((at for one in playing if (at := one.wake_at(now)) is not None), default=None)
            try:
                async with asyncio.timeout(None if wake is None else max(0.0, wake - now)):
                    happened = await self._inbox.get()
            except TimeoutError:
                for one in playing:
                    self._end_overdue(one, outcry)
            else:
                self._take(self._beside_of(happened.site) or phase, happened, outcry)

    def _beside_of(self, site: str) -> Phase | None:
        return next((phase for phase in self._beside if site in phase.behind), None)

    async def _grant(self, phase: Phase) -> None:
        sites = phase.grant(time.monotonic())
        began = time.monotonic()
        for gate in dict.fromkeys(phase.going[site] for site in sites):
            await self.going(gate, [site for site in sites if phase.going[site] == gate])
        phase.held(sites, time.monotonic() - began)
        for site in sites:
            writer = self._writers.get(site)
            if writer is not None:  # else it has just ended; the launcher's word is on its way
                writer.write(b"go\n")

    def _end_overdue(self, phase: Phase, outcry: Outcry) -> None:
        now = time.monotonic()
        for site in phase.overdue(now):
            gate = phase.going.get(site)
            doing = f"in '{gate}'" if gate else "on its way to its next step"
            outcry(Lost(site, f"no answer within {phase.deadline_s:g} s, {doing}"))
            phase.out(site, now)
            self._end(site)

    def _end(self, site: str) -> None:
        self._end_worker(site)
        self.forget(site)  # the next round waits for the one that takes its place, not for this one's end

    def _take(self, phase: Phase, happened: Heard | Lost, outcry: Outcry) -> None:
        if isinstance(happened, Lost):
            if happened.site in phase.sites:
                outcry(happened)
                phase.out(happened.site, time.monotonic())
        elif happened.message.gate in phase.gates:
            _pass_on(phase, happened.site, happened.message)
            if phase in self._beside and happened.site in phase.through:
                self.came_late(phase, happened.site)
        else:
            self._early.append(happened)


def _nobody(_lost: Lost) -> None:
    """A site that was behind has ended between two rounds: the next one finds it gone, or there again."""


async def _nothing(_gate: Gate, _sites: Sequence[str]) -> None:
    """What happens at a gate where nobody wants to know."""


def _pass_on(phase: Phase, site: str, message: Ask | Done) -> None:
    now = time.monotonic()
    if isinstance(message, Done):
        passage = Passage(message.started, message.ended, message.work)
        phase.done(site, message.gate, passage, now)
    elif message.say == "ask":
        phase.ask(site, message.gate, now)
    else:
        phase.skip(site, message.gate, now)
