"""Fifty sites of 5 to 24 Mbit/s that all send at once, and fewer of them, until the router can carry them.

Limit: each site within 5 % of what its link lets through. What all of them got together is the router's capacity, as
soon as they are short.
"""

import json
import os
import sys
from pathlib import Path

from figures import tell
from link_world import MBIT, link, world

from emulator.places import HUB_ADDRESS, UPDATE_PORT, worker_address
from emulator.topology import Direction
from emulator.worlds import World

_SITES, _LEAST, _MOST = 50, 5, 24
_EVERY = (1, 2, 3, 4, 6)
_SKIPPED_S, _SECONDS = 4, 10
_STREAMS = str(Path(__file__).with_name("many_streams.py"))


def _rate_mbit(number: int) -> float:
    return _LEAST + (_MOST - _LEAST) * number / (_SITES - 1)


def _carried_mbit(measured: World, numbers: range) -> dict[int, float]:
    """The payload of each site's stream, while all of them send."""
    program = [sys.executable, "-I", "-S", _STREAMS]
    argv = [*program, "sink", HUB_ADDRESS, str(UPDATE_PORT), *map(str, (len(numbers), _SKIPPED_S, _SECONDS))]
    reader, writer = os.pipe()
    sink = measured.run("hub", argv, stdout=writer)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.readline() == "listening\n"
        source = [*program, "source", HUB_ADDRESS, str(UPDATE_PORT)]
        sources = [measured.run(f"s{n}/worker", source) for n in numbers]
        got = json.loads(told.readline())
    for one in (sink, *sources):
        one.wait()
    return {n: got[worker_address(n + 1)] * 8 / _SECONDS / MBIT for n in numbers}


def main() -> None:
    from link_probes import PAYLOAD_SHARE

    links = {f"s{n}": link(Direction(round(_rate_mbit(n) * MBIT), 0.02)) for n in range(_SITES)}
    with world(links) as measured:
        for every in _EVERY:
            carried = _carried_mbit(measured, range(0, _SITES, every))
            asked = {n: _rate_mbit(n) * PAYLOAD_SHARE for n in carried}
            errors = {n: abs(carried[n] / asked[n] - 1) for n in carried}
            inside = sum(error <= 0.05 for error in errors.values())
            total = sum(carried.values()) / PAYLOAD_SHARE
            what = (
                f"{len(carried)} sites at once: {total:.0f} of {sum(map(_rate_mbit, carried)):.0f} Mbit/s, "
                f"{inside} within 5 %; the worst of them"
            )
            tell(what, 100 * max(errors.values()), 5, "% off")


if __name__ == "__main__":
    main()
