"""Round-trip times and losses by `ping`, from a site's worker to the hub."""

import math
import re
import statistics
from dataclasses import dataclass

from emulator.errors import CannotHere, Fell
from emulator.fidelity.asked import Asked
from emulator.places import HUB_ADDRESS
from emulator.worlds.world import World

IDLE_COUNT = 40
LOSS_COUNT = 500
_IDLE_EVERY_S = 0.05
_LOSS_EVERY_S = 0.01
_LOSS_TAKES_S = 8.0
_PACKET_BITS = 84 * 8
_OF_THE_RATE = 0.1  # that pings may take of a slow link: more would queue behind one another
_REPLY = re.compile(r"icmp_seq=(\d+) ttl=\d+ time=([0-9.]+) ms( \(DUP!\))?")
_ENDED = re.compile(r"(\d+) packets transmitted")


@dataclass(frozen=True)
class Pings:
    """Of `sent` packets, the round-trip times (s) of those that came back."""

    sent: int
    times_s: tuple[float, ...]

    @property
    def lost(self) -> int:
        return self.sent - len(self.times_s)

    @property
    def median_s(self) -> float:
        return statistics.median(self.times_s)

    @property
    def mean_s(self) -> float:
        return statistics.fmean(self.times_s)

    @property
    def p99_s(self) -> float:
        """The 99th percentile (nearest rank)."""
        return sorted(self.times_s)[math.ceil(0.99 * len(self.times_s)) - 1]


def read(printed: str) -> Pings:
    """What `ping` printed; copies of a packet count once. Raises `Fell` where it ended before its last line."""
    ended = _ENDED.search(printed)
    if ended is None:
        raise Fell(f"ping ended early: {printed.strip()[-300:]}")
    first = {number: float(time) / 1000 for number, time, copy in _REPLY.findall(printed) if not copy}
    return Pings(int(ended[1]), tuple(first.values()))


def idle(world: World, asked: Asked) -> Pings:
    """So far apart that none meets another, also where delays wander: those of one link stay in order."""
    return _ping(world, asked, IDLE_COUNT, max(_IDLE_EVERY_S, 4 * asked.jitter_s, _least_apart_s(asked)))


def many(world: World, asked: Asked) -> Pings:
    """Enough to count losses; fewer on a link that is too slow for so many."""
    apart_s = max(_LOSS_EVERY_S, _least_apart_s(asked))
    return _ping(world, asked, min(LOSS_COUNT, math.ceil(_LOSS_TAKES_S / apart_s)), apart_s)


def _least_apart_s(asked: Asked) -> float:
    return _PACKET_BITS / (_OF_THE_RATE * min(asked.down.rate_bps, asked.up.rate_bps))


def _ping(world: World, asked: Asked, count: int, apart_s: float) -> Pings:
    patience_s = max(1.0, 2 * asked.rtt_s + 8 * asked.jitter_s)
    argv = ["ping", "-n", "-c", str(count), "-i", f"{apart_s:.3f}", "-W", f"{patience_s:.1f}", HUB_ADDRESS]
    code, printed = world.output(f"{asked.site}/worker", argv)
    if code in (126, 127) or "Operation not permitted" in printed:
        raise CannotHere(f"ping can't run at {asked.site}: {printed.strip()}; install iputils-ping")
    return read(printed)
