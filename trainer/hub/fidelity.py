"""How near the emulation was to what the topology asks, round by round, read by the world's meter."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from emulator.fidelity.findings import Finding
from emulator.topology.resolved import Topology
from trainer.clock.phases import Phase, Slots
from trainer.config import LaunchConfig

if TYPE_CHECKING:
    from emulator.drops import Queues
    from emulator.fidelity.meter import Meter

LATE_S = 0.25
"""How late a transfer may begin after its moment before the round is marked: the machine was then too busy to
be on time.
"""


class Probes:
    """What a round does to be judged. `meter` is None outside a world."""

    def __init__(self, meter: "Meter | None") -> None:
        self._meter = meter

    def start(self, read: "Mapping[str, Queues]") -> None:
        """The first round is about to begin; `read`: the router's queues now."""
        if self._meter:
            self._meter.start(read)

    async def begin(self, sites: Sequence[str]) -> None:
        """A round begins; nothing is in flight."""
        if self._meter:
            await asyncio.to_thread(self._meter.begin, sites)

    @asynccontextmanager
    async def during(self, phase: Phase) -> AsyncIterator[None]:
        """While a phase is played: those that are not computing are transfers."""
        if self._meter is None or isinstance(phase, Slots):
            yield
            return
        async with self._meter.transfers():
            yield

    def end(self, read: "Mapping[str, Queues]") -> tuple[Finding, ...]:
        """The round has ended: what was found of it. `read`: the router's queues now."""
        return self._meter.end(read) if self._meter else ()


def late(latest_s: float) -> Finding:
    """What is found of the transfer that began latest after its moment."""
    said = f"a transfer began {latest_s * 1000:.0f} ms after its moment (bound {LATE_S * 1000:.0f} ms)"
    return Finding("late", "", latest_s, 0.0, LATE_S, latest_s > LATE_S, said)


def overran(late_s: Mapping[str, float]) -> tuple[Finding, ...]:
    """What is found of sites whose computing or pull ended too late on the real clock, and by how much (s)."""
    return tuple(
        Finding("late", site, by_s, 0.0, LATE_S, True, f"{site} computed {by_s * 1000:.0f} ms longer than modelled")
        for site, by_s in late_s.items()
    )


def probes(config: LaunchConfig, topology: Topology) -> Probes:
    """Those of a training in the world that the config names."""
    if config.world_folder is None:
        return Probes(None)
    from emulator.fidelity.meter import Meter  # only inside a world: it opens a raw socket, and asks the router

    return Probes(Meter(config.world_folder, topology, [site.name for site in config.sites]))
