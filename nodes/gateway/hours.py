"""Night hours: when bulk retrieval is refused, and when it is taken up again. Seconds since the gateway's start."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_MOST_STEPS = 1000  # of windows that follow on one another


@dataclass(frozen=True)
class Window:
    """Closed from `at_s` on for `for_s`, and again every `every_s` from then on (None: once)."""

    at_s: float
    for_s: float
    every_s: float | None = None

    def ends(self, moment_s: float) -> float | None:
        """When it opens, if it is closed at a moment; None: it is open then."""
        if moment_s < self.at_s or not self.for_s:
            return None
        if self.every_s is None:
            begun = self.at_s
        elif self.for_s >= self.every_s:
            return math.inf
        else:
            begun = self.at_s + self.every_s * ((moment_s - self.at_s) // self.every_s)
        ends = begun + self.for_s
        return ends if moment_s < ends else None


def opens_in(windows: Iterable[Window], moment_s: float) -> float:
    """How long it stays closed from a moment on: 0 where it is open, infinite where it never opens again."""
    all_windows, at = tuple(windows), moment_s
    for _ in range(_MOST_STEPS):
        ends = [end for window in all_windows if (end := window.ends(at)) is not None]
        if not ends or at == math.inf:
            return at - moment_s
        at = max(ends)
    return math.inf
