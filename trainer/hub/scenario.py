"""Plays the faults of a run: each begins at its moment, in the world, and is written down before it does.

The world ends them (`emulator.inside.keeper`), by its own clock; here they are kept level with the emulated one. A
fault of the network stands still while sites compute and nothing is in flight; one of a process goes on, since
computing and pulling take real time; and what the emulated clock jumps over, both jump over with the next phase.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emulator.errors import TestbedError
from emulator.faults import registry
from emulator.topology.resolved import PlannedFault
from trainer.clock.phases import Gate, Moments, Phase, Slots
from trainer.hub.firing import Firing, Key, fired, of_round, timed, unkept
from trainer.record.log import utc_now
from trainer.record.rounds import Happened

if TYPE_CHECKING:
    from emulator.worlds.faults import Faults

_HELD_S = 600.0  # how long a fault may stand still while sites compute, should nobody live who lets it go on
_TICK_S = 1e-3


class Log(Protocol):
    """Writes an event of the run; `durable`: it is on disk when this returns."""

    def __call__(self, event: str, *, durable: bool = False, **fields: Any) -> None: ...


@dataclass(frozen=True)
class _On:
    """A fault that was begun, and when it ends on the emulated clock (s)."""

    firing: Firing
    end_s: float


class Scenario:
    """The player of one run. `world_folder` is None outside a world, where nothing can be broken. `events` are those of
    the run's log from its lives before, in which round `last` was the last whole one.
    """

    def __init__(
        self,
        faults: Sequence[PlannedFault],
        seed: int,
        world_folder: Path | None,
        log: Log,
        events: Sequence[dict[str, Any]],
        last: int,
        say: Callable[..., None],
    ) -> None:
        self._planned = faults if world_folder else ()
        self._seed = seed
        self._folder = world_folder
        self._log = log
        self._say = say
        self._fired: dict[Key, str] = fired(events)
        self._leftover = list(self._fired.values())
        self._timed = [firing for firing in timed(self._planned, seed) if firing.key not in self._fired]
        self._waiting: list[Firing] = []  # of the round that is on
        self._armed: dict[tuple[str, str], list[tuple[int, Firing]]] = {}  # by site and gate: bytes that are left
        self._on: dict[str, _On] = {}
        self._happened = unkept(events, last)
        self._broken: set[str] = set()
        self._round = 0
        self._shown: tuple[float, float] = (0.0, time.monotonic())  # the emulated clock, and when it showed that
        self._runs = False
        self._alarm: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def round(self, number: int) -> None:
        """A round begins; nothing is in flight."""
        if self._leftover:  # of a life of this run that ended without ending them
            leftover, self._leftover = self._leftover, []
            await asyncio.to_thread(self._faults().end, leftover)
        self._round = number
        self._armed = {}
        self._waiting = [f for f in of_round(self._planned, number, self._seed) if f.key not in self._fired]
        await self._fire_all(f for f in self._waiting if f.fault.trigger.moment is None)

    async def going(self, gate: Gate, sites: Sequence[str]) -> None:
        """Sites are let through a gate, as soon as this returns."""
        for firing in [f for f in self._waiting if f.fault.trigger.moment == gate]:
            if not set(sites) & set(firing.on) and firing.on != ("hub",):
                continue
            if firing.fault.trigger.bytes is None:
                await self._fire_all([firing])
            else:
                self._waiting.remove(firing)
                for site in sites if firing.on == ("hub",) else firing.on:
                    self._armed.setdefault((site, gate), []).append((firing.fault.trigger.bytes, firing))

    async def aggregating(self) -> None:
        """All updates of the round are there."""
        await self._fire_all(f for f in self._waiting if f.fault.trigger.moment == "aggregate")

    def counted(self, site: str, gate: str, count: int) -> None:
        """Payload of the model or an update has passed."""
        armed = self._armed.pop((site, gate), [])
        left = [(limit - count, firing) for limit, firing in armed]
        if still := [(limit, firing) for limit, firing in left if limit > 0]:
            self._armed[site, gate] = still
        for limit, firing in left:
            if limit <= 0:
                self._keep(asyncio.get_running_loop().create_task(self._fire(firing)))

    async def enter(self, phase: Phase, hands: Iterable[float], now: float) -> None:
        """A phase is about to begin; `hands` are its sites' emulated moments (s), `now` the monotonic clock (s)."""
        if not self._planned:
            return
        emulated_s = phase.emulated(now) if isinstance(phase, Moments) else max(hands, default=self._shown[0])
        self._shown, self._runs = (emulated_s, now), not isinstance(phase, Slots)
        await self._level(emulated_s)
        await self._fire_due(emulated_s)
        if self._alarm:
            self._alarm.cancel()
        if self._runs and self._timed:
            self._alarm = asyncio.get_running_loop().create_task(self._wait_for_time())

    async def settled(self) -> None:
        """What was fired within the round has begun, or could not."""
        await asyncio.gather(*self._tasks)

    def take(self) -> tuple[tuple[Happened, ...], frozenset[str]]:
        """What has happened since the last taking; and the sites whose links were broken meanwhile: they were not what
        the topology asks, on purpose.
        """
        taken, self._happened = tuple(self._happened), []
        broken, self._broken = self._broken, {site for on in self._on.values() for site in _cut_off(on.firing)}
        return taken, frozenset(broken)

    async def close(self) -> None:
        """The run ends, and its faults with it."""
        for task in (self._alarm, *self._tasks):
            if task:
                task.cancel()
        if self._on:
            with contextlib.suppress(TestbedError):  # the world has ended, and all faults with it
                await asyncio.to_thread(self._faults().end, list(self._on))

    def emulated(self, now: float) -> float:
        """The emulated clock, as far as it is known here: it stands still while sites compute."""
        shown_s, since = self._shown
        return shown_s + (now - since if self._runs else 0.0)

    async def _level(self, emulated_s: float) -> None:
        """Give each fault that is on what is left of it on the emulated clock."""
        left_s: dict[str, float] = {}
        for name, on in list(self._on.items()):
            rest_s = on.end_s - emulated_s
            if rest_s <= _TICK_S:
                del self._on[name]
            held_s = 0.0 if self._runs or not registry.get(on.firing.fault.fault).of_network else _HELD_S
            left_s[name] = max(0.0, rest_s) + held_s
        if left_s:
            await asyncio.to_thread(self._faults().leave, left_s)

    async def _fire_due(self, emulated_s: float) -> None:
        while self._timed and (self._timed[0].fault.trigger.at_s or 0.0) <= emulated_s + _TICK_S:
            await self._fire(self._timed.pop(0))

    async def _wait_for_time(self) -> None:
        while self._timed:
            await asyncio.sleep(max(0.0, (self._timed[0].fault.trigger.at_s or 0.0) - self.emulated(time.monotonic())))
            await self._fire_due(self.emulated(time.monotonic()))

    async def _fire_all(self, firings: Iterable[Firing]) -> None:
        for firing in list(firings):
            self._waiting.remove(firing)
            await self._fire(firing)

    async def _fire(self, firing: Firing) -> None:
        """Begin a fault, once in a run: it is written down first."""
        if firing.key in self._fired:
            return
        fault = firing.fault
        name = f"{fault.fault}-{secrets.token_hex(2)}"
        self._fired[firing.key] = name
        emulated_s = self.emulated(time.monotonic())
        told = self._told(name, firing, emulated_s)
        self._log("fault-started", durable=True, **told)
        why = await asyncio.to_thread(self._begun, name, firing)
        if why:
            self._log("fault-refused", **told, why=why)
        elif fault.for_s is not None:
            self._broken |= _cut_off(firing)
            self._on[name] = _On(firing, emulated_s + fault.for_s)
        self._happened.append(
            Happened(
                id=name,
                fault=fault.fault,
                on=firing.on,
                settings=fault.settings,
                trigger=str(fault.trigger),
                started=utc_now(),
                emulated_s=emulated_s,
                for_s=fault.for_s,
                refused=why,
            )
        )
        self._say("fault", **told, why=why)

    def _told(self, name: str, firing: Firing, emulated_s: float) -> dict[str, Any]:
        fault = firing.fault
        return {
            "id": name,
            "fault": fault.fault,
            "on": list(firing.on),
            "settings": dict(fault.settings),
            "for_s": fault.for_s,
            "entry": firing.entry,
            "occurrence": firing.occurrence,
            "round": self._round,
            "moment": fault.trigger.moment,
            "bytes": fault.trigger.bytes,
            "at_s": fault.trigger.at_s,
            "trigger": str(fault.trigger),
            "emulated_s": emulated_s,
        }

    def _begun(self, name: str, firing: Firing) -> str | None:
        """Why it can't be; None where it is in force."""
        fault = firing.fault
        try:
            self._faults().begin(fault.fault, firing.on, fault.settings, fault.for_s or 0.0, name)
        except TestbedError as error:
            return str(error)
        return None

    def _faults(self) -> "Faults":
        from emulator.worlds.faults import Faults  # only inside a world

        assert self._folder is not None  # noqa: S101 - nothing is planned outside a world
        return Faults.of(self._folder)

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _cut_off(firing: Firing) -> set[str]:
    """The sites whose links a fault breaks."""
    return set(firing.on) if registry.get(firing.fault.fault).of_network else set()
