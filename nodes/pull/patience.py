"""How long a pull waits, and how often it tries again. There is no deadline for a whole transfer: a slow one is not a
failed one."""

import time
from dataclasses import dataclass

from nodes.errors import Busy, Cut

_KNOCKS_S = 0.1


@dataclass(frozen=True)
class Patience:
    """`idle_s` is how long a PACS may be silent. A cut transfer is taken up again after growing `pauses_s`, as many
    times in a row as there are pauses without anything new having come. A PACS that is busy, or closed for the night,
    is waited for `busy_s` in all."""

    idle_s: float = 60.0
    pauses_s: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0)
    busy_s: float = 60.0


class Tries:
    """The trying again for one study. `count` is how often it was."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._in_a_row = {Cut: 0, Busy: 0}
        self._waited_s = 0.0
        self.count = 0

    def another_way(self) -> None:
        """Another way is tried: what the last one failed at counts no more, but for waiting at a closed door."""
        self._in_a_row[Cut] = 0

    def again(self, error: Cut, progress: bool) -> None:
        """Wait, and return where it is worth trying again; raises the error where patience is at its end."""
        kind = Busy if isinstance(error, Busy) else Cut
        if progress:
            self._in_a_row = dict.fromkeys(self._in_a_row, 0)
        pauses, row = self._patience.pauses_s, self._in_a_row[kind]
        if isinstance(error, Busy):
            pause_s = max(pauses[min(row, len(pauses) - 1)] if pauses else _KNOCKS_S, error.after_s or 0.0)
            if self._waited_s + pause_s > self._patience.busy_s:
                raise Busy(f"{error}; waited {self._waited_s:.0f} s for it", error.after_s) from error
            self._waited_s += pause_s
        elif row >= len(pauses):
            raise error
        else:
            pause_s = pauses[row]
        self._in_a_row[kind] += 1
        self.count += 1
        time.sleep(pause_s)
