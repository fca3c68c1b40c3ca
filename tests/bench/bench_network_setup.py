"""Setting up the links of 50 and of 200 sites: places, cables, addresses, policy, router and queues, without PACS.

From an empty machine to a network that carries packets: the time of `World.up`, the user-mode router's boot in it where
the host has no netem. Limits: 1 s for 50 sites, 4 s for 200. The best of some: the machine may have other work.
"""

import time

from figures import tell

from emulator.topology.resolved import Cohort, Compute, Direction, Hub, Link, Pacs, Site, Topology, Training
from emulator.worlds import World

_RUNS = 5
_SETTLE_S_A_SITE = 0.04  # the kernel takes a world's networks back after its end, and holds up the next one meanwhile
_NAME = "bench-links"
_LIMITS_S = {50: 1.0, 200: 4.0}
_HUB = Link("datacentre", Direction(10**9, 0.001), Direction(10**9, 0.001))
_LINK = Link("vdsl", Direction(50 * 10**6, 0.0175, 0.005, 0.001), Direction(10 * 10**6, 0.0175, 0.005, 0.001))


def _topology(count: int) -> Topology:
    cohort = Cohort("phantom", 1, {"control": 1}, "3T", ("mr",), "multi-frame")
    sites = tuple(
        Site(index, f"site-{index}", "site", "namespace", _LINK, Pacs("p", "orthanc"), cohort, Compute(0.01))
        for index in range(1, count + 1)
    )
    return Topology(_NAME, 7, Hub(_HUB), sites, Training("dementia", "fedavg", 1, 1, 8, 0.01, 0.25, True))


def _up_s(topology: Topology) -> float:
    time.sleep(_SETTLE_S_A_SITE * len(topology.sites))
    began = time.monotonic()
    World.up(topology, _NAME, (), None, lambda _what, _done, _of: None)
    took = time.monotonic() - began
    World.down(_NAME)
    return took


def main() -> None:
    for count, limit_s in _LIMITS_S.items():
        topology = _topology(count)
        times = [_up_s(topology) for _ in range(_RUNS)]
        print(f"links of {count} sites: {[round(s, 2) for s in times]} s")
        tell(f"setting up the links of {count} sites", min(times), limit_s, "s")


if __name__ == "__main__":
    main()
