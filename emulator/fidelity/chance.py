"""What chance explains: an interval for a share that was counted."""

import math
from statistics import NormalDist

from emulator.topology.resolved import Direction, FourState, GilbertElliott

Z = 3.3
"""Standard deviations: one false alarm in a thousand looks, so that fifty good links rarely look bad."""


def among(looks: int) -> float:
    """Standard deviations for one false alarm in a thousand times that as many as `looks` are taken together."""
    return NormalDist().inv_cdf(1 - 0.0005 / max(1, looks))


def interval(hits: int, trials: int, alike: float = 0.0, z: float = Z) -> tuple[float, float]:
    """Where a share lies that was `hits` in `trials` (Wilson 1927), at `z` standard deviations. `alike` is the
    correlation of a trial with the next: losses in bursts tell less than as many independent ones.
    """
    if not trials:
        return 0.0, 1.0
    share = hits / trials
    worth = max(1.0, trials * (1 - alike) / (1 + alike))
    middle = (share + z * z / (2 * worth)) / (1 + z * z / worth)
    half = z / (1 + z * z / worth) * math.sqrt(share * (1 - share) / worth + z * z / (4 * worth * worth))
    return max(0.0, middle - half), min(1.0, middle + half)


def strays(hits: int, trials: int, asked: float, margin: float, alike: float = 0.0, z: float = Z) -> bool:
    """Whether a counted share is further than `margin` from the `asked` one, whatever chance may have done."""
    low, high = interval(hits, trials, alike, z)
    return low > asked + margin or high < asked - margin


def alike(direction: Direction) -> float:
    """The correlation of a packet's loss with that of the next: none where losses are independent."""
    match direction.bursts:
        case GilbertElliott(to_bad, to_good):
            return max(0.0, 1 - to_bad - to_good)
        case FourState(p13, p31, p32, p23):
            return max(0.0, 1 - min(p13 + p31, p23 + p32))
        case None:
            return 0.0
