"""The router's queues, as text for `tc -batch`: pure, nothing is done here.

The router has one interface that every packet leaves by. Hierarchical token buckets (HTB) give the rates: one class
for what enters the hub's link and one for what leaves it, and under each a class per site, so that sites contend for
the hub's link. A netem queue in each site's class gives delay, jitter and loss. Rates count IP bytes
(`stab overhead -14` takes the Ethernet header off), as the rest of the testbed does.
"""

import math

from emulator.places import HUB_ADDRESS, subnet
from emulator.topology.resolved import Direction, Hub, Site, Topology
from emulator.wiring import next_hop, uplink_mac

_MTU_BYTES = 1500
_ORDERLY_BPS = 10_000_000_000
_INTO_HUB = 1
_FROM_HUB = 2
_BASE = {_INTO_HUB: 0x1000, _FROM_HUB: 0x3000}
_HUB_TABLE = {_INTO_HUB: 0x100, _FROM_HUB: 0x200}


def path(first: Direction, second: Direction) -> Direction:
    """Two links in a row as one: the slower rate, delays added, independent jitters and losses combined."""
    return Direction(
        rate_bps=min(first.rate_bps, second.rate_bps),
        delay_s=first.delay_s + second.delay_s,
        jitter_s=math.hypot(first.jitter_s, second.jitter_s),
        loss=1 - (1 - first.loss) * (1 - second.loss),
    )


def queue_packets(direction: Direction) -> int:
    """Netem's limit: what is on its way (rate × delay) plus 100 ms at this rate, never under 100 packets."""
    on_its_way_s = direction.delay_s + 3 * direction.jitter_s
    return max(100, math.ceil(direction.rate_bps * (on_its_way_s + 0.1) / 8 / _MTU_BYTES))


def _burst_bytes(rate_bps: int) -> int:
    """About one millisecond of the rate, at least two packets: small, so that the bucket adds no jitter of its own."""
    return max(2 * _MTU_BYTES + 100, rate_bps // 8000)


def _class(parent: str, classid: str, rate_bps: int, ceil_bps: int) -> str:
    burst = _burst_bytes(ceil_bps)
    return (
        f"class replace dev @DEV@ parent {parent} classid {classid} htb rate {rate_bps}bit ceil {ceil_bps}bit "
        f"burst {burst} cburst {burst} quantum {_MTU_BYTES}"
    )


def _netem(classid: str, handle: int, direction: Direction) -> str:
    line = f"qdisc replace dev @DEV@ parent {classid} handle {handle:x}: netem limit {queue_packets(direction)}"
    line += f" delay {direction.delay_s * 1e6:.0f}us"
    if direction.jitter_s:
        # With a rate of its own netem keeps packets in order, as real lines do, however their delays wander.
        line += f" {direction.jitter_s * 1e6:.0f}us distribution normal rate {_ORDERLY_BPS}bit"
    if direction.loss:
        line += f" loss {direction.loss * 100:.6f}%"
    return line


def root() -> list[str]:
    """The bare tree, that `queues` fills."""
    return ["qdisc replace dev @DEV@ root handle 1: stab overhead -14 mtu 2048 tsize 512 htb default 0"]


def _hub_classes(hub: Hub) -> list[str]:
    down, up = hub.link.down.rate_bps, hub.link.up.rate_bps
    return [_class("1:", f"1:{_INTO_HUB}", down, down), _class("1:", f"1:{_FROM_HUB}", up, up)]


def _share(rate_bps: int, total_bps: int, hub_bps: int) -> int:
    """A site's guaranteed part of the hub's link, in proportion to its rate; what others leave it may borrow."""
    return max(8, min(rate_bps, hub_bps * rate_bps // total_bps))


def _queue(way: int, site: Site, direction: Direction, guaranteed_bps: int) -> list[str]:
    number = _BASE[way] + site.index
    classid = f"1:{number:x}"
    return [
        _class(f"1:{way}", classid, guaranteed_bps, direction.rate_bps),
        _netem(classid, number, direction),
    ]


def queues(topology: Topology) -> list[str]:
    """The hub's classes and every site's class and queue, both ways; on a tree that has them, they change in place."""
    hub = topology.hub
    up_total = sum(site.link.up.rate_bps for site in topology.sites)
    down_total = sum(site.link.down.rate_bps for site in topology.sites)
    lines = _hub_classes(hub)
    for site in topology.sites:
        into = path(site.link.up, hub.link.down)
        out = path(hub.link.up, site.link.down)
        lines += _queue(_INTO_HUB, site, into, _share(site.link.up.rate_bps, up_total, hub.link.down.rate_bps))
        lines += _queue(_FROM_HUB, site, out, _share(site.link.down.rate_bps, down_total, hub.link.up.rate_bps))
    return lines


def lookups(topology: Topology) -> list[str]:
    """The filters: by direction, then hashed by the site's third address byte: 2,000 sites cost what one does."""
    table = "filter add dev @DEV@ parent 1: prio 1"
    lines = [f"{table} handle {number:x}: protocol ip u32 divisor 256" for number in _HUB_TABLE.values()]
    for way, side, offset in ((_INTO_HUB, "dst", 12), (_FROM_HUB, "src", 16)):
        lines.append(
            f"{table} protocol ip u32 ht 800:: match ip {side} {HUB_ADDRESS} "
            f"hashkey mask 0x0000ff00 at {offset} link {_HUB_TABLE[way]:x}:"
        )
    for site in topology.sites:
        for way, side in ((_INTO_HUB, "src"), (_FROM_HUB, "dst")):
            lines.append(
                f"{table} protocol ip u32 ht {_HUB_TABLE[way]:x}:{site.index & 255:x}: "
                f"match ip {side} {subnet(site.index)} flowid 1:{_BASE[way] + site.index:x}"
            )
    return lines


def routes(topology: Topology) -> list[str]:
    """The router's neighbours and routes: every site behind its gateway, the hub behind its own port."""
    lines = []
    for index, network in [(0, HUB_ADDRESS), *((site.index, subnet(site.index)) for site in topology.sites)]:
        hop = next_hop(index)
        lines.append(f"neighbour replace {hop} lladdr {uplink_mac(index)} nud permanent dev @DEV@")
        lines.append(f"route replace {network} via {hop} dev @DEV@ onlink")
    return lines
