"""Round-trip times of idle links from 2 to 600 ms, by ping: median and 99th percentile, the best of three.

Limit: 0.5 ms or 1 % away from what was asked, whichever is more.
"""

from figures import tell
from link_world import MBIT, link, world

from emulator.topology import Direction

_RTTS_MS = (2, 10, 20, 50, 100, 200, 600)
_PINGS, _GAP_S, _TIMES = 500, 0.01, 3


def main() -> None:
    from link_probes import quantile, round_trips_s

    with world({f"rtt-{ms}": link(Direction(100 * MBIT, ms / 2000)) for ms in _RTTS_MS}) as measured:
        for ms in _RTTS_MS:
            runs = [round_trips_s(measured, f"rtt-{ms}", _PINGS, _GAP_S) for _ in range(_TIMES)]
            for share, name in ((0.5, "median"), (0.99, "99th percentile")):
                error_ms = min(abs(1000 * quantile(times_s, share) - ms) for times_s in runs)
                tell(f"RTT of {ms} ms: error of its {name}", error_ms, max(0.5, 0.01 * ms), "ms")


if __name__ == "__main__":
    main()
