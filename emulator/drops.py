"""Packets that the router dropped, by site and direction: those that the line lost, as the topology asks, and those
that found a queue full.

Every site has, each way, a netem and below it the queue of the bottleneck. The kernel adds a queue's drops to those of
the netem above it as well, so what the line itself lost is the difference of the two.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from emulator import wan
from emulator.errors import WrongState
from emulator.reach import Agent
from emulator.shaping import FROM_HUB, INTO_HUB, queue_handle, site_handle
from emulator.worlds.home import world_folder
from emulator.worlds.record import WorldRecord


@dataclass(frozen=True)
class Queue:
    """One site's queues, one way. `line_drops` and `queue_drops` are the kernel's counters of the netem and of the
    queue below it (the first has the second in it); `bytes` and `packets` have gone through; `backlog_bytes` wait now.
    Bytes count as the router's rates do: IP packets.
    """

    line_drops: int = 0
    queue_drops: int = 0
    bytes: int = 0
    packets: int = 0
    backlog_bytes: int = 0


@dataclass(frozen=True)
class Queues:
    """A site's queues both ways, seen from the site: `rx` from the hub, `tx` to it."""

    rx: Queue = Queue()
    tx: Queue = Queue()


@dataclass(frozen=True)
class Dropped:
    """Packets dropped one way: `lost` on the line, `overflowed` at a queue that was full (or too long, for CoDel)."""

    lost: int = 0
    overflowed: int = 0


@dataclass(frozen=True)
class Drops:
    """Packets of a site that were dropped, seen from the site."""

    rx: Dropped = Dropped()
    tx: Dropped = Dropped()


Order = Callable[[tuple[str, ...]], str]


class Router:
    """Reads the router's counters, for whoever has a world's folder: from outside a world, and from inside.
    `sites`: index by name. One order to the router a reading.
    """

    def __init__(self, order: Order, device: str, sites: Mapping[str, int]) -> None:
        self._order = order
        self._device = device
        self._sites = dict(sites)

    @classmethod
    def of(cls, world: str, sites: Mapping[str, int]) -> Self:
        """The router of the world of that name. Raises `WrongState` where there is none."""
        return cls.in_folder(world_folder(world), sites)

    @classmethod
    def in_folder(cls, folder: Path, sites: Mapping[str, int]) -> Self:
        """The router of the world that is kept in a folder. Raises `WrongState` where there is none."""
        record = WorldRecord.read(folder)
        if record is None:
            raise WrongState(f"there is no world in {folder}")
        kernel, agent = wan.choose(record.wan), Agent(folder)
        return cls(lambda argv: kernel.run(agent, argv, ""), kernel.device, sites)

    def read(self) -> dict[str, Queues]:
        """The queues of every site now. Raises `Fell` where the router does not answer."""
        listed = json.loads(self._order(("tc", "-s", "-j", "qdisc", "show", "dev", self._device)) or "[]")
        return queues(listed, self._sites)


def queues(listed: Iterable[Mapping[str, Any]], sites: Mapping[str, int]) -> dict[str, Queues]:
    """The queues by site, from what `tc -s -j qdisc show` lists."""
    by_handle = {int(entry["handle"].rstrip(":") or "0", 16): entry for entry in listed}

    def one(way: int, index: int) -> Queue:
        line, queue = by_handle.get(site_handle(way, index), {}), by_handle.get(queue_handle(way, index), {})
        return Queue(
            line_drops=line.get("drops", 0),
            queue_drops=queue.get("drops", 0),
            bytes=line.get("bytes", 0),
            packets=line.get("packets", 0),
            backlog_bytes=line.get("backlog", 0),
        )

    return {site: Queues(rx=one(FROM_HUB, index), tx=one(INTO_HUB, index)) for site, index in sites.items()}


class DropMeter:
    """What was dropped between readings. The two counters of a line are not read at one instant: a packet that is
    dropped between them belongs to the next reading, and nothing counts twice.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], Queue] = {}
        self._owed: dict[tuple[str, str], int] = {}

    def take(self, now: Mapping[str, Queues]) -> dict[str, Drops]:
        """Packets dropped since the last taking (at the first: since the queues are there)."""
        return {
            site: Drops(rx=self._since((site, "rx"), both.rx), tx=self._since((site, "tx"), both.tx))
            for site, both in now.items()
        }

    def _since(self, key: tuple[str, str], now: Queue) -> Dropped:
        before = self._last.get(key, Queue())
        self._last[key] = now
        overflowed = _grown(before.queue_drops, now.queue_drops)
        lost = _grown(before.line_drops, now.line_drops) - overflowed + self._owed.get(key, 0)
        self._owed[key] = min(0, lost)
        return Dropped(max(0, lost), overflowed)


def _grown(before: int, now: int) -> int:
    """A counter that is lower than it was belongs to a queue that was made anew."""
    return now - before if now >= before else now
