"""Makes the traces beside it: `python topologies/traces/make.py`. Both are invented, and the same for everybody.

`lte.down` and `lte.up` (mahimahi's packet deliveries, 60 s): a mobile unit in a cell that it shares. The logarithm of
the rate wanders back to its mean as an Ornstein–Uhlenbeck process does; deliveries come by chance at that rate; at
two moments it changes cells, and nothing is delivered at all.

`busy-hour.csv` (ten minutes that stand for a day): evening is when everybody is at home, so the rate sinks and the
delay and the loss rise.
"""

import math
import random
from pathlib import Path

FOLDER = Path(__file__).parent
_SEED = 2026
_LTE_MS = 60_000
_HANDOVERS_MS = ((21_000, 21_600), (43_000, 44_200))
_PACKET_BITS = 1500 * 8
_DAY_S = 600
_ROW_S = 5


def lte(mean_mbit: float, random_numbers: random.Random) -> list[int]:
    """Moments (ms) of deliveries."""
    wander, moments = 0.0, []
    for moment in range(1, _LTE_MS + 1):
        wander += -wander / 4000 + 0.6 * math.sqrt(2 / 4000) * random_numbers.gauss(0, 1)
        chances = mean_mbit * math.exp(wander - 0.18) * 1e6 / _PACKET_BITS / 1000
        count = int(chances) + (random_numbers.random() < chances % 1)
        if not any(begin <= moment < end for begin, end in _HANDOVERS_MS):
            moments += [moment] * count
    return moments if moments[-1] == _LTE_MS else [*moments, _LTE_MS]


def busy_hour(random_numbers: random.Random) -> list[str]:
    """Rows of a day, six hours of which are around its busiest."""
    rows = ["time,rate,delay,loss"]
    for second in range(0, _DAY_S, _ROW_S):
        hour = 24 * second / _DAY_S
        busy = math.exp(-(((hour - 20.5) / 2.2) ** 2))
        rate_kbit = round(1000 * (24 - 16 * busy) * (1 + 0.06 * random_numbers.gauss(0, 1)))
        delay_ms = 9 + 32 * busy + abs(random_numbers.gauss(0, 1))
        rows.append(f"{second}s,{rate_kbit}kbit,{delay_ms:.1f}ms,{0.1 + 1.4 * busy:.2f}%")
    return [*rows, f"{_DAY_S}s,,,"]


def _numbers(name: str) -> random.Random:
    return random.Random(f"{_SEED}/{name}")  # noqa: S311 - the same for everybody is what is wanted


def made() -> dict[str, str]:
    """The files' texts by name."""
    texts = {}
    for name, mean_mbit in (("down", 14.0), ("up", 5.0)):
        moments = lte(mean_mbit, _numbers(f"lte/{name}"))
        texts[f"lte.{name}"] = "\n".join(map(str, moments)) + "\n"
    return {**texts, "busy-hour.csv": "\n".join(busy_hour(_numbers("busy-hour"))) + "\n"}


if __name__ == "__main__":
    for file, text in made().items():
        (FOLDER / file).write_text(text)
