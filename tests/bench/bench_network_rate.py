"""What one TCP flow carries, by iperf3 with the host's congestion control, the best of two.

From the hub to the site, so that iperf3 tells second by second what came. The first six are left out: TCP's start loses
packets at 200 ms, and what had waited for them comes all at once (70 Mbit/s in the fourth second, over a link of 50). A
link of a rate lets 1448/1500 of it through as payload. Limit: at least 93 % of that, and never more than all of it; the
half percent above is for iperf3's clock, since a second begins and ends between packets.
"""

import itertools
from typing import Any

from figures import tell
from link_world import MBIT, link, world

from emulator.places import UPDATE_PORT
from emulator.topology import Direction

_RATES_MBIT = (10, 50, 200)
_RTTS_MS = (2, 20, 200)
_TIMES, _SECONDS, _SKIPPED_S = 2, 8, "6"


def _came_bps(told: dict[str, Any]) -> float:
    came = [interval["sum"] for interval in told["intervals"] if not interval["sum"]["omitted"]]
    return float(8 * sum(one["bytes"] for one in came) / sum(one["seconds"] for one in came))


def main() -> None:
    from link_probes import PAYLOAD_SHARE, iperf3

    links = {
        f"l{rate}-{ms}": link(Direction(rate * MBIT, ms / 2000))
        for rate, ms in itertools.product(_RATES_MBIT, _RTTS_MS)
    }
    with world(links) as measured:
        for rate, ms in itertools.product(_RATES_MBIT, _RTTS_MS):
            allowed = rate * MBIT * PAYLOAD_SHARE
            told = [
                iperf3(measured, f"l{rate}-{ms}", UPDATE_PORT, _SECONDS, "-R", "-O", _SKIPPED_S) for _ in range(_TIMES)
            ]
            shares = [_came_bps(one) / allowed for one in told]
            tell(f"one flow, {rate} Mbit/s, {ms} ms: what is missing", 100 * (1 - max(shares)), 7, "%")
            tell(f"one flow, {rate} Mbit/s, {ms} ms: most", 100 * max(shares), 100.5, "%")


if __name__ == "__main__":
    main()
