"""How long a pull waits, and how often it tries again. There is no deadline for a whole transfer: a slow one is not a
failed one."""

import time
from dataclasses import dataclass

from nodes.errors import Busy, Cut


@dataclass(frozen=True)
class Patience:
    """`idle_s` is how long a PACS may be silent. A cut transfer is taken up again after growing `pauses_s`, as many
    times in a row as there are pauses without anything new having come. A PACS that is busy, or closed for the night,
    is waited for `busy_s` in all."""

    idle_s: float = 60.0
    pauses_s: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0)
    busy_s: float = 60.0


class Tries:
    """The trying again of one way for one study. `count` is how often it was."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._in_a_row = 0
        self._waited_s = 0.0
        self.count = 0

    def again(self, error: Cut, progress: bool) -> None:
        """Wait, and return where it is worth trying again; raises the error where patience is at its end."""
        self._in_a_row = 0 if progress else self._in_a_row
        pauses = self._patience.pauses_s
        pause_s = pauses[min(self._in_a_row, len(pauses) - 1)] if pauses else 0.0
        if isinstance(error, Busy):
            pause_s = max(pause_s, error.after_s or 0.0)
            if self._waited_s + pause_s > self._patience.busy_s:
                raise Busy(f"{error}; waited {self._waited_s:.0f} s for it", error.after_s) from error
            self._waited_s += pause_s
        elif self._in_a_row >= len(pauses):
            raise error
        self._in_a_row += 1
        self.count += 1
        time.sleep(pause_s)
