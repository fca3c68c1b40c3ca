"""How hard the router and the host work, from the kernel's own accounts. Works inside a world and from outside."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

Read = Callable[[str], str]

_NS = 1e-9
_IDLE = (3, 4)  # idle, waiting for a disk; columns of /proc/stat
_SOFTIRQ = 6
_TICKS_S = 100  # a second of /proc/stat
_COLUMNS = 8  # what follows (guests) is in the first two already


@dataclass(frozen=True)
class Reading:
    """Seconds since something long ago; `ran` and `waited` for a processor are the router's, who got one `turns` times;
    `own_waited` is this process's.
    """

    at: float
    ran: float
    waited: float
    own_waited: float
    idle: float
    of: float
    turns: int = 0


@dataclass(frozen=True)
class Shares:
    """What went on between two readings, as shares of the time; `idle` of all processors' time; `turns` of the router
    in a second.
    """

    seconds: float
    ran: float = 0.0
    waited: float = 0.0
    own_waited: float = 0.0
    idle: float = 1.0
    turns: float = 0.0

    @property
    def late_s(self) -> float:
        """How long the router waited each time before it ran: so late packets are, on average."""
        return self.waited / self.turns if self.turns else 0.0


def between(earlier: Reading, later: Reading) -> Shares:
    took = later.at - earlier.at
    if took <= 0:
        return Shares(0.0)
    of = later.of - earlier.of
    return Shares(
        took,
        (later.ran - earlier.ran) / took,
        (later.waited - earlier.waited) / took,
        (later.own_waited - earlier.own_waited) / took,
        (later.idle - earlier.idle) / of if of else 1.0,
        (later.turns - earlier.turns) / took,
    )


def windows(readings: Sequence[Reading], at_least_s: float) -> list[Shares]:
    """The shares of each stretch between readings that is long enough to tell."""
    return [shares for shares in (between(*pair) for pair in pairwise(readings)) if shares.seconds >= at_least_s]


def together(parts: Sequence[Shares]) -> Shares:
    """Several stretches as one."""
    took = sum(part.seconds for part in parts)
    if not took:
        return Shares(0.0)
    names = ("ran", "waited", "own_waited", "idle", "turns")
    return Shares(took, *(sum(getattr(part, name) * part.seconds for part in parts) / took for name in names))


def router_pid(folder: Path) -> int | None:
    """The router's process, in the numbers of its world; None where the host's own kernel forwards."""
    try:
        return int((folder / "router" / "pid").read_text().split()[0])
    except FileNotFoundError:
        return None


class Load:
    """`read` gives a file's text as processes in the world see it. Of a router within the host's kernel only the time
    in software interrupts is known, all processors' together.
    """

    def __init__(self, router: int | None, read: Read) -> None:
        self._router = router
        self._read = read

    def now(self) -> Reading:
        columns = [int(column) for column in self._read("/proc/stat").split("\n", 1)[0].split()[1 : _COLUMNS + 1]]
        at = time.monotonic()
        ran, waited, turns = columns[_SOFTIRQ] / _TICKS_S, 0.0, 0
        if self._router is not None:
            ran, waited, turns = self._account(self._router)
        _, own_waited, _ = self._account("self")
        idle = sum(columns[i] for i in _IDLE) / _TICKS_S
        return Reading(at, ran, waited, own_waited, idle, sum(columns) / _TICKS_S, turns)

    def _account(self, process: int | str) -> tuple[float, float, int]:
        """Seconds that a process ran, and waited to run, and how often it got to."""
        ran, waited, turns = self._read(f"/proc/{process}/schedstat").split()
        return int(ran) * _NS, int(waited) * _NS, int(turns)
