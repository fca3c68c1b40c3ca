"""Whether TCP suffers from loss as it should: Reno against the formula of Mathis et al.

Mathis, Semke, Mahdavi and Ott 1997, The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm: payload =
C · MSS / (RTT · √p). C = √(3/2) = 1.22 where the window grows by one segment a round trip. (0.87 is for receivers that
delay their ACKs and senders that count ACKs; Linux delays ACKs too, but counts the bytes that they acknowledge.)
Losses in one direction only, four flows of a minute, far below the link's rate. The formula knows no time-outs, which
take 10 % at 1 % and 50 ms (Padhye et al. 1998, eq. 30, with Linux's least time-out of 200 ms): hence 100 ms there.
Limit: 15 %.
"""

import math
from typing import Any

from figures import tell
from link_world import MBIT, link, world

from emulator.places import UPDATE_PORT
from emulator.topology import Direction

_C, _MSS_BYTES = math.sqrt(3 / 2), 1448
_LINKS = ((0.1, 50), (0.5, 50), (1, 100))  # loss in percent, RTT in ms
_FLOWS, _SECONDS = 4, 60


def _formula_bps(rtt_s: float, lost: float) -> float:
    return _C * _MSS_BYTES * 8 / (rtt_s * math.sqrt(lost))


def _as_tcp_saw_it(told: dict[str, Any]) -> tuple[float, float]:
    """The mean round trip, and the share of segments that were sent again, of what iperf3 tells."""
    senders = [stream["sender"] for stream in told["end"]["streams"]]
    again = sum(one["retransmits"] for one in senders) / (sum(one["bytes"] for one in senders) / _MSS_BYTES)
    return sum(one["mean_rtt"] for one in senders) / len(senders) / 1e6, again


def main() -> None:
    from link_probes import iperf3, payload_bps

    links = {
        f"p{i}": link(Direction(400 * MBIT, ms / 2000), Direction(400 * MBIT, ms / 2000, loss=percent / 100))
        for i, (percent, ms) in enumerate(_LINKS)
    }
    with world(links) as measured:
        for i, (percent, ms) in enumerate(_LINKS):
            told = iperf3(measured, f"p{i}", UPDATE_PORT, _SECONDS, "-C", "reno", "-P", str(_FLOWS), "-O", "3")
            assert told["end"]["sender_tcp_congestion"] == "reno"
            one = payload_bps(told) / _FLOWS
            formula = _formula_bps(ms / 1000, percent / 100)
            rtt_s, lost = _as_tcp_saw_it(told)
            seen = _formula_bps(rtt_s, lost)
            print(f"TCP saw {1000 * rtt_s:.1f} ms and sent {lost:.2%} again: by these {100 * (one / seen - 1):+.0f} %")
            what = f"Reno, {percent} % lost, {ms} ms: {one / MBIT:.1f} Mbit/s, by the formula {formula / MBIT:.1f}"
            tell(what, 100 * abs(one / formula - 1), 15, "% off")


if __name__ == "__main__":
    main()
