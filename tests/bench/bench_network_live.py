"""A live change of a rate in a running transfer, by `World.change_link`, on the WAN kernel that this machine has.

An upload over a link of 20 Mbit/s and 40 ms, whose rate is changed to 8 and to 30 Mbit/s. Two figures: packets that
the router drops meanwhile (limit: none; told as one plus the drops, against one), and the time from telling the router
to a rate at the hub within a tenth of the new one (limit: three round trips; the best of some runs each). Told too: how
long a whole change takes, and how late the player is at its moments, with four links on traces of 200 ms steps.
"""

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from figures import tell
from live_transfer import RTT_S, change_rate, reached_after_s, upload
from networks import make_site, make_topology, quiet

from emulator import events
from emulator.topology import Direction, Link
from emulator.topology.resolved import Topology, Trace
from emulator.worlds import World

_NAME = "bench-live"
_RATES_BPS = (8_000_000, 30_000_000)
_RUNS = 5
_VARYING = 4
_STEP_S = 0.2
_PLAYED_S = 10.0
_LINK = Link("steady", *(2 * [Direction(20_000_000, RTT_S / 2 - 0.002, queue_s=0.3)]))


def _steady() -> Topology:
    return make_topology(_NAME, [replace(make_site(1, "4g", "lyon"), link=_LINK)])


def _varying() -> Topology:
    steps = 50
    rates = tuple(4_000_000 + 100_000 * (7 * step % 50) for step in range(steps))
    trace = Trace(steps * _STEP_S, tuple(step * _STEP_S for step in range(steps)), rates)
    link = replace(_LINK, down_trace="steps", up_trace="steps")
    sites = [replace(make_site(i, "4g"), link=link) for i in range(1, _VARYING + 1)]
    return replace(make_topology(_NAME, sites), traces={"steps": trace})


def _change(world: World, asked_bps: int) -> tuple[float, float, int]:
    """How long the whole change took, how long after the router was told the rate was there, and drops."""
    world.reset_link("lyon")
    told: list[float] = []
    took: list[float] = []

    def change() -> None:
        began = time.monotonic()
        told.append(change_rate(world, "lyon", asked_bps))
        took.append(time.monotonic() - began)

    samples, dropped = upload(world, "lyon", change)
    return took[0], reached_after_s(samples, told[0], asked_bps), dropped


def _late_s(world: World) -> list[float]:
    """How late each change of the links that vary began to be told to the router."""
    time.sleep(_PLAYED_S)
    played = [event["clock_s"] for event in events.read(world.folder) if event["event"] == "links varied"]
    return [clock_s % _STEP_S for clock_s in played[1:]]


def main() -> None:
    try:
        world = World.up(_steady(), _NAME, [], None, quiet)
        found = [(rate, *_change(world, rate)) for rate in _RATES_BPS for _ in range(_RUNS)]
        World.down(_NAME)
        late = _late_s(World.up(_varying(), _NAME, [], None, quiet))
    finally:
        World.down(_NAME)
    for rate, took, reached, dropped in found:
        times = f"{1000 * took:.0f} ms in all, there {1000 * reached:.0f} ms after the router was told"
        print(f"20 to {rate / 1e6:g} Mbit/s: {times}, {dropped} drops")
    worst = max(min(reached for rate, _, reached, _ in found if rate == asked) for asked in _RATES_BPS)
    played, due = len(late) + 1, round(_PLAYED_S / _STEP_S)
    print(f"links that vary: {played} of {due} moments played, median {1000 * statistics.median(late):.1f} ms late")
    tell("drops by live changes of a rate, plus one", 1 + sum(dropped for *_, dropped in found), 1, "packets")
    tell("new rate reached after a live change", worst, 3 * RTT_S, "s")


if __name__ == "__main__":
    main()
