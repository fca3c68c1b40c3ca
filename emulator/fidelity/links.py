"""Judging one link by what was measured of it: pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from emulator.fidelity import chance
from emulator.fidelity.asked import Asked
from emulator.fidelity.pings import Pings
from emulator.fidelity.queues import Way
from emulator.fidelity.rates import Rate
from emulator.fidelity.rounds import rtt_margin_s
from emulator.topology.resolved import Direction, Fidelity

_BUSY = 0.9  # of the time that the router runs: no more than that goes through it


@dataclass(frozen=True)
class Measured:
    """What was measured of everything between a site and the hub."""

    idle: Pings
    many: Pings
    down: Rate
    up: Rate

    def rate(self, way: Way) -> Rate:
        return self.up if way == "up" else self.down


def rtt_s(asked: Asked, pings: Pings) -> float:
    """The round-trip time to be judged: the median, which a busy host's few late packets don't move; where delays are
    to wander, the mean.
    """
    return pings.mean_s if asked.jitter_s else pings.median_s


def strays(asked: Asked, measured: Measured, bounds: Fidelity) -> tuple[str, ...]:
    """All that is out of bounds, as sentences; none where the link is as asked."""
    return (
        *rtt_strays(asked, measured.idle, bounds),
        *loss_strays(asked, measured.many, bounds),
        *rate_strays(asked, "down", measured.down, bounds),
        *rate_strays(asked, "up", measured.up, bounds),
    )


def rtt_strays(asked: Asked, pings: Pings, bounds: Fidelity) -> Iterator[str]:
    if not pings.times_s:
        yield f"none of {pings.sent} pings came back"
        return
    by_chance_s = chance.Z * asked.jitter_s / math.sqrt(len(pings.times_s))
    bound_s = rtt_margin_s(asked, bounds) + by_chance_s
    found_s = rtt_s(asked, pings)
    if abs(found_s - asked.rtt_s) > bound_s:
        yield f"round trip {_ms(found_s)}, asked {_ms(asked.rtt_s)} ±{_ms(bound_s)}"


def loss_strays(asked: Asked, pings: Pings, bounds: Fidelity) -> Iterator[str]:
    """The share of pings without an answer, both ways together."""
    if pings.times_s and chance.strays(pings.lost, pings.sent, asked.loss, bounds.loss, asked.alike):
        low, high = chance.interval(pings.lost, pings.sent, asked.alike)
        yield f"loss {low:.2%} to {high:.2%} there and back ({pings.lost} of {pings.sent}), asked {asked.loss:.2%}"


def rate_strays(asked: Asked, way: Way, rate: Rate, bounds: Fidelity) -> Iterator[str]:
    """Too slow is out of bounds only where TCP could have filled the link."""
    direction = direction_of(asked, way)
    wanted = direction.rate_bps
    short = rate.bps < wanted * (1 - bounds.rate)
    said = f"rate {way} {_rate(rate.bps)}, asked {_rate(wanted)} ±{bounds.rate:.0%}"
    if short and rate.router >= _BUSY:
        yield f"{said}: that is all that the router carries (it ran {rate.router:.0%} of the time)"
    elif short and rate.waiting > bounds.waiting:
        yield f"{said}: the router waited {rate.waiting:.0%} of the time for a processor, this machine is too busy"
    elif (short and asked.fillable(direction)) or rate.bps > wanted * (1 + bounds.rate):
        yield said


def direction_of(asked: Asked, way: Way) -> Direction:
    return asked.up if way == "up" else asked.down


def at_its_limit(rate: Rate) -> bool:
    """Whether the router had no more to give: measuring again would tell the same."""
    return rate.router >= _BUSY


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def _rate(bps: float) -> str:
    return f"{bps / 1e6:.4g} Mbit/s"
