"""How long transfers take that share links: a fluid model, pure.

At every moment each flow gets its weighted max-min share of what it crosses (Bertsekas & Gallager, Data Networks,
6.5.2): as the router's token buckets divide a shared link in proportion to the rates of those behind it, and give what
one leaves to the others. Rates change only when a flow begins or ends; in between, bits are rate × time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_BIT = 1e-6  # what is left of a flow that has ended, for the rounding of floats


@dataclass(frozen=True)
class Flow:
    """`bits` that begin to cross `links` (names) at `starts_s`. `weight` is its part where a link is shared."""

    name: str
    starts_s: float
    bits: float
    weight: float
    links: tuple[str, ...]


def ends(flows: Iterable[Flow], capacities_bps: Mapping[str, float]) -> dict[str, float]:
    """When the last bit of each flow has crossed (s), by the flow's name."""
    waiting = sorted(flows, key=lambda flow: flow.starts_s)
    left = {flow.name: flow.bits for flow in waiting}
    going: list[Flow] = []
    found: dict[str, float] = {}
    now = waiting[0].starts_s if waiting else 0.0
    while waiting or going:
        while waiting and waiting[0].starts_s <= now:
            going.append(waiting.pop(0))
        shares = shares_bps(going, capacities_bps)
        until = min((now + left[flow.name] / shares[flow.name] for flow in going), default=float("inf"))
        if waiting:
            until = min(until, waiting[0].starts_s)
        for flow in going:
            left[flow.name] -= shares[flow.name] * (until - now)
        now = until
        found |= {flow.name: now for flow in going if left[flow.name] <= _BIT * shares[flow.name]}
        going = [flow for flow in going if flow.name not in found]
    return found


def shares_bps(flows: Iterable[Flow], capacities_bps: Mapping[str, float]) -> dict[str, float]:
    """Each flow's weighted max-min share: links fill up one after another, the one with least for each first."""
    unset = {flow.name: flow for flow in flows}
    room = dict(capacities_bps)
    shares: dict[str, float] = {}
    while unset:
        weights: dict[str, float] = {}
        for flow in unset.values():
            for link in flow.links:
                weights[link] = weights.get(link, 0.0) + flow.weight
        tightest = min(weights, key=lambda link: room[link] / weights[link])
        level = room[tightest] / weights[tightest]
        for flow in [flow for flow in unset.values() if tightest in flow.links]:
            shares[flow.name] = level * flow.weight
            for link in flow.links:
                room[link] = max(0.0, room[link] - shares[flow.name])
            del unset[flow.name]
    return shares
