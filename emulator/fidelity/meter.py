"""Reads one round after another, from inside the world: cheap enough to be always on.

At a round's start, while every link is idle, a few echoes to each site; while transfers go on, three small files of
/proc each half-second; at the round's end, one look at the router's queues.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from emulator.drops import Queues
from emulator.errors import WrongState
from emulator.fidelity import load, queues
from emulator.fidelity.asked import Asked, asked
from emulator.fidelity.echo import Echo
from emulator.fidelity.findings import Finding
from emulator.fidelity.rounds import Round, judged, rtt_margin_s
from emulator.reach import Agent
from emulator.topology.resolved import Fidelity, Link, Topology
from emulator.worlds.links import Links
from emulator.worlds.record import WorldRecord

WINDOW_S = 0.5
_ECHOES = 3
_PATIENCE_S = 0.1
_AGAIN = 2  # looks at a site whose round trip seems wrong: a busy host only makes packets late


class Meter:
    """One for a run, in the hub's process and network. `folder` is the world's. Raises `WrongState` without a world."""

    def __init__(self, folder: Path, topology: Topology, sites: Sequence[str]) -> None:
        record = WorldRecord.read(folder)
        if record is None:
            raise WrongState(f"{folder} holds no world; its rounds can't be judged")
        self._sites = {site.name: site for site in topology.sites if site.name in sites}
        self._links: Mapping[str, Link] = {}
        self._asked: Mapping[str, Asked] = {}
        self._bounds: Fidelity = topology.fidelity
        self._agent = Agent(folder)
        self._topology = topology
        self._present = Links(folder, topology, self._agent, record.wan)
        self._load = load.Load(load.router_pid(folder), lambda path: Path(path).read_text())
        self._echo = Echo()
        self._least: dict[str, float] = {}
        self._transfers: list[load.Shares] = []
        self._windows: list[load.Shares] = []
        self._before: tuple[queues.Flows, int] = {}, 0

    def close(self) -> None:
        self._echo.close()

    def start(self, read: Mapping[str, Queues]) -> None:
        """The first round is about to begin; `read`: the router's queues now."""
        self._before = queues.flows(read), self._missed()

    def begin(self, sites: Sequence[str]) -> None:
        """A round begins, with these sites. Blocks for about the longest round trip of them."""
        self._transfers, self._windows = [], []
        self._links = self._present.now()
        self._asked = {
            name: asked(self._topology, replace(site, link=self._links[name])) for name, site in self._sites.items()
        }
        self._least = self._round_trips(sites)
        for _ in range(_AGAIN):
            odd = [site for site, least in self._least.items() if self._is_odd(site, least)]
            for site, least in self._round_trips(odd).items() if odd else ():
                nearer = (self._least[site], least)
                self._least[site] = min(nearer, key=lambda found: abs(found - self._asked[site].rtt_s))

    def _is_odd(self, site: str, least: float) -> bool:
        return abs(least - self._asked[site].rtt_s) > rtt_margin_s(self._asked[site], self._bounds)

    def _round_trips(self, sites: Sequence[str]) -> dict[str, float]:
        by_address = {self._asked[site].address: site for site in sites}
        longest = max((self._asked[site].rtt_s + 4 * self._asked[site].jitter_s for site in sites), default=0.0)
        found = self._echo.round_trips(list(by_address), _ECHOES, longest + _PATIENCE_S)
        return {by_address[address]: min(times) for address, times in found.items() if times}

    @asynccontextmanager
    async def transfers(self) -> AsyncIterator[None]:
        """What goes on inside crosses the WAN."""
        readings = [self._load.now()]
        watching = asyncio.create_task(self._watch(readings))
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            readings.append(self._load.now())
            self._transfers.append(load.between(readings[0], readings[-1]))
            self._windows += load.windows(readings, WINDOW_S / 2)

    async def _watch(self, readings: list[load.Reading]) -> None:
        while True:
            await asyncio.sleep(WINDOW_S)
            readings.append(self._load.now())

    def end(self, read: Mapping[str, Queues]) -> tuple[Finding, ...]:
        """The round has ended: what was found of it. `read`: the router's queues now; none where it does not answer.

        The losses of a link that has changed meanwhile are not judged.
        """
        (before, missed_before), (now, missed) = self._before, (queues.flows(read), self._missed())
        self._before = (now, missed)
        silent = () if now else (_silent(),)
        present = self._present.now()
        steady = {site for site, link in self._links.items() if present[site] == link}
        flows = {key: flow for key, flow in queues.changes(before, now).items() if key[0] in steady}
        seen = Round(self._least, self._transfers, self._windows, flows, max(0, missed - missed_before))
        return (*silent, *judged(seen, self._asked, self._bounds))

    def _missed(self) -> int:
        return queues.missed(self._agent.output("wan", queues.ASK_MISSED)[1])


def _silent() -> Finding:
    said = "router: it did not tell in time what its queues did; it is starved of processors, or ended"
    return Finding("router", "", 0.0, None, None, True, said)
