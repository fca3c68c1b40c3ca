"""What the router's queues have let through and dropped, from `tc -s -json qdisc`: reading it is pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from emulator.shaping import FROM_HUB, INTO_HUB, netem_handle, waiting_handle
from emulator.topology.resolved import Site

Way = Literal["up", "down"]
_WAYS: tuple[tuple[Way, int], ...] = (("up", INTO_HUB), ("down", FROM_HUB))
_MISSED = re.compile(r" \*:\S+ .*\bd(\d+)\)")
"""Of sockets for every protocol: the router's other one only sends, and drops what it never reads."""

ASK_QUEUES = ("tc", "-s", "-json", "qdisc", "show", "dev")
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


def flows(printed: str, sites: Mapping[str, Site]) -> Flows:
    """Every site's queues, from what `ASK_QUEUES` printed. Netem counts as its own what the queue below it drops."""
    by_handle = {qdisc["handle"]: qdisc for qdisc in json.loads(printed) if "handle" in qdisc}
    found: dict[tuple[str, Way], Flow] = {}
    for name, site in sites.items():
        for way, number in _WAYS:
            line = by_handle.get(f"{netem_handle(number, site.index):x}:")
            queue = by_handle.get(f"{waiting_handle(number, site.index):x}:")
            if line is not None and queue is not None:
                full = queue["drops"]
                found[name, way] = Flow(queue["packets"], max(0, line["drops"] - full), full, queue["bytes"])
    return found


def missed(printed: str) -> int:
    """Packets that the router's socket had no room for, from what `ASK_MISSED` printed."""
    return sum(int(count) for count in _MISSED.findall(printed))


def changes(before: Flows, after: Flows) -> Flows:
    """What happened between two readings, where both know it."""
    found = {key: flow.since(before[key]) for key, flow in after.items() if key in before}
    return {key: flow for key, flow in found.items() if flow is not None}
