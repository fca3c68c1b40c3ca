"""Shares of numbered packets that are lost, counted by dumpcap and tshark where they arrive.

20,000 packets each. Limit: the 99 % interval of the binomial (2.576 standard deviations), which one honest run in a
hundred misses; and nothing lost where nothing was asked, or the other rows say nothing. Of bursts, 60,000 packets:
the mean length of a run of lost packets, within 10 % of what was asked.
"""

import math
import statistics

from figures import tell
from link_world import MBIT, link, world

from emulator.topology import Direction
from emulator.topology.resolved import GilbertElliott

_SHARES_PERCENT = (0.1, 0.5, 1, 2, 5, 10)
_BURSTS = ((5, 5), (10, 5), (10, 10))  # share lost in percent, mean length
_PACKETS, _MORE, _GAP_US = 20_000, 60_000, 150


def _bursty(percent: float, length: float) -> Direction:
    mean = percent / 100
    model = GilbertElliott(mean / (1 - mean) / length, 1 / length)
    return Direction(100 * MBIT, 0.01, loss=model.loss, bursts=model)


def main() -> None:
    from link_probes import numbered

    links = {f"p{i}": link(Direction(100 * MBIT, 0.01, loss=p / 100)) for i, p in enumerate(_SHARES_PERCENT)}
    links["whole"] = link(Direction(100 * MBIT, 0.01))
    links |= {f"b{i}": link(_bursty(*burst)) for i, burst in enumerate(_BURSTS)}
    with world(links) as measured:
        tell("lost where nothing was asked", numbered(measured, "whole", _PACKETS, _GAP_US).lost, 1, "packets")
        for i, percent in enumerate(_SHARES_PERCENT):
            lost, share = numbered(measured, f"p{i}", _PACKETS, _GAP_US).lost, percent / 100
            deviations = abs(lost - _PACKETS * share) / math.sqrt(_PACKETS * share * (1 - share))
            tell(f"loss of {percent} %: {lost} of {_PACKETS:,} lost", deviations, 2.576, "standard deviations")
        for i, (percent, length) in enumerate(_BURSTS):
            arrivals = numbered(measured, f"b{i}", _MORE, _GAP_US)
            mean = statistics.fmean(arrivals.bursts)
            what = f"bursts of {length} at {percent} %: {arrivals.lost} of {_MORE:,} lost, mean length {mean:.2f}"
            tell(what, 100 * abs(mean / length - 1), 10, "% off")


if __name__ == "__main__":
    main()
