"""What the router's queues have let through and dropped between two readings, and what never came to them: pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from emulator.drops import Queue, Queues

Way = Literal["up", "down"]
_MISSED = re.compile(r" \*:\S+ .*\bd(\d+)\)")
"""Of sockets for every protocol: the router's other one only sends, and drops what it never reads."""

ASK_MISSED = ("ss", "-Hnmf", "link")
"""At the place `wan`: the packets that came too fast for the router's own socket are told there."""


@dataclass(frozen=True)
class Flow:
    """One site's queues, one way: packets that went through, that netem lost as it was told to, and that found the
    bottleneck's queue full; and bytes that went through.
    """

    passed: int
    lost: int
    overflown: int
    passed_bytes: int

    def since(self, earlier: "Flow") -> "Flow | None":
        """What has happened since; None where the counters have begun anew."""
        change = Flow(
            self.passed - earlier.passed,
            self.lost - earlier.lost,
            self.overflown - earlier.overflown,
            self.passed_bytes - earlier.passed_bytes,
        )
        return change if min(change.passed, change.lost, change.overflown) >= 0 else None


Flows = Mapping[tuple[str, Way], Flow]


def flows(read: Mapping[str, Queues]) -> Flows:
    """Every site's queues, from a reading of the router. Netem counts as its own what the queue below it drops."""
    found: dict[tuple[str, Way], Flow] = {}
    for site, both in read.items():
        ways: tuple[tuple[Way, Queue], ...] = (("up", both.tx), ("down", both.rx))
        for way, queue in ways:
            lost = max(0, queue.line_drops - queue.queue_drops)
            found[site, way] = Flow(queue.packets, lost, queue.queue_drops, queue.bytes)
    return found


def missed(printed: str) -> int:
    """Packets that the router's socket had no room for, from what `ASK_MISSED` printed."""
    return sum(int(count) for count in _MISSED.findall(printed))


def changes(before: Flows, after: Flows) -> Flows:
    """What happened between two readings, where both know it."""
    found = {key: flow.since(before[key]) for key, flow in after.items() if key in before}
    return {key: flow for key, flow in found.items() if flow is not None}
