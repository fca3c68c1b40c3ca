"""The router's queues, as text for `tc -batch`: pure, nothing is done here.

The router has one interface that every packet leaves by. Hierarchical token buckets (HTB) give the rates: one class
for what enters the hub's link and one for what leaves it, under each a class per region, and under these a class per
site, so that sites contend for what they share. In each site's class a netem queue gives delay, jitter, loss and the
rest, and below it lies the queue of the bottleneck, with its discipline: packets wait there, after their delay, until
the token buckets let them go. Rates count IP bytes (`stab overhead -14` takes the Ethernet header off), as the rest of
the testbed does.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from emulator.places import HUB_ADDRESS, subnet
from emulator.topology.resolved import Direction, FourState, GilbertElliott, Link, Region, Site, Topology
from emulator.wiring import next_hop, uplink_mac

INTO_HUB = 1
FROM_HUB = 2
WAYS = {"up": INTO_HUB, "down": FROM_HUB}
_MTU_BYTES = 1500
_SMALL_BYTES = 256  # of packets that a full delay line may consist of
_ORDERLY_BPS = 10_000_000_000
_SITES = {INTO_HUB: 0x1000, FROM_HUB: 0x3000}
_REGIONS = {INTO_HUB: 0x0800, FROM_HUB: 0x0C00}
_WAITING = 0x4000  # from a netem's handle to that of the queue below it
_TABLE = {INTO_HUB: 0x100, FROM_HUB: 0x200}
_CODEL_TARGET_S = 0.005
_DEVIATION = {"pareto": 0.820, "paretonormal": 0.834}
"""Of the tables that iproute2 brings, in units of the jitter; of all others it is 1."""
_FURTHEST = 5  # deviations from the mean that a table reaches


def path(first: Direction, second: Direction) -> Direction:
    """Two directions in a row as one: the slower rate with its queue, delays added, independent jitters and losses
    combined; at most one of the two has more than that (`emulator.topology.checking` sees to it).
    """
    special = second if _special(second) else first
    slower = second if second.rate_bps < first.rate_bps else first
    loss = 1 - (1 - first.loss) * (1 - second.loss)
    other = first if special is second else second
    return replace(
        special,
        rate_bps=slower.rate_bps,
        delay_s=first.delay_s + second.delay_s,
        jitter_s=math.hypot(first.jitter_s, second.jitter_s),
        loss=loss,
        bursts=_thinned(special.bursts, other.loss),
        queue_s=slower.queue_s,
        discipline=slower.discipline,
        mtu=min(first.mtu, second.mtu),
    )


def _special(direction: Direction) -> bool:
    plain = Direction(0, 0.0)
    names = ("distribution", "bursts", "duplicate", "corrupt", "reorder")
    return any(getattr(direction, name) != getattr(plain, name) for name in names)


def _thinned(bursts: GilbertElliott | FourState | None, loss: float) -> GilbertElliott | FourState | None:
    """A model of bursts, with an independent loss on top of it."""
    if isinstance(bursts, GilbertElliott) and loss:
        kept = 1 - loss
        bad, good = 1 - (1 - bursts.lost_in_bad) * kept, 1 - (1 - bursts.lost_in_good) * kept
        return replace(bursts, lost_in_bad=bad, lost_in_good=good)
    return bursts


def whole_path(topology: Topology, site: Site) -> Link:
    """Everything between a site and the hub as one link, seen from the site."""
    links = [site.link, *(region.link for region in topology.regions if region.name == site.region)]
    up, down = site.link.up, site.link.down
    for link in links[1:]:
        up, down = path(up, link.up), path(link.down, down)
    hub = topology.hub.link
    return Link(site.link.profile, down=path(hub.up, down), up=path(up, hub.down))


def queue_bytes(direction: Direction) -> int:
    """What the queue before the bottleneck holds: `queue_s` at the rate, never under two packets."""
    return max(2 * _MTU_BYTES, math.ceil(direction.rate_bps * direction.queue_s / 8))


def delay_line_packets(direction: Direction) -> int:
    """Netem's limit, which must never drop: all that is on its way (rate × delay) and in the queue, in small packets,
    and 1,000 packets of head-room.
    """
    on_its_way_bytes = direction.rate_bps * (direction.delay_s + _FURTHEST * direction.jitter_s) / 8
    return 1000 + math.ceil((on_its_way_bytes + queue_bytes(direction)) / _SMALL_BYTES)


def _burst_bytes(rate_bps: int) -> int:
    """What ten milliseconds at the rate bring, at least two packets: so late may the router wake without losing any of
    the rate, and so much earlier at most does a transfer end.
    """
    return max(2 * _MTU_BYTES + 100, rate_bps // 800)


def _class(parent: str, classid: str, rate_bps: int, ceil_bps: int) -> str:
    burst = _burst_bytes(ceil_bps)
    return (
        f"class replace dev @DEV@ parent {parent} classid {classid} htb rate {rate_bps}bit ceil {ceil_bps}bit "
        f"burst {burst} cburst {burst} quantum {_MTU_BYTES}"
    )


def _percent(share: float) -> str:
    return f"{share * 100:.6f}%"


def _loss(direction: Direction) -> str:
    match direction.bursts:
        case None:
            return f"loss {_percent(direction.loss)}"
        case GilbertElliott(to_bad, to_good, in_bad, in_good):
            return f"loss gemodel {' '.join(map(_percent, (to_bad, to_good, in_bad, in_good)))}"
        case FourState(p13, p31, p32, p23, p14):
            return f"loss state {' '.join(map(_percent, (p13, p31, p32, p23, p14)))}"


def _netem(way: int, index: int, direction: Direction) -> str:
    """Every value is written, also where it is nothing: in a change, netem keeps what is not told."""
    number = _SITES[way] + index
    delay = f"delay {direction.delay_s * 1e6:.0f}us"
    if direction.jitter_s:
        jitter_s = direction.jitter_s / _DEVIATION.get(direction.distribution, 1.0)
        delay += f" {jitter_s * 1e6:.0f}us distribution {direction.distribution}"
    # With a rate of its own netem keeps packets in order, as real lines do, however their delays wander.
    return (
        f"qdisc replace dev @DEV@ parent 1:{number:x} handle {number:x}: netem limit {delay_line_packets(direction)} "
        f"{delay} {_loss(direction)} corrupt {_percent(direction.corrupt)} reorder {_percent(direction.reorder)} "
        f"rate {_ORDERLY_BPS}bit"
    )


def _bottleneck(way: int, index: int, direction: Direction) -> str:
    number = _SITES[way] + index
    held = queue_bytes(direction)
    packets = math.ceil(held / _MTU_BYTES)
    # A packet on its way out is not a standing queue: CoDel's target must be above the time that one takes.
    target_us = max(_CODEL_TARGET_S, 1.5 * _MTU_BYTES * 8 / direction.rate_bps) * 1e6
    discipline = {
        "fifo": f"bfifo limit {held}",
        "codel": f"codel limit {packets} target {target_us:.0f}us noecn",
        "fq_codel": f"fq_codel limit {packets} target {target_us:.0f}us noecn",
        "cake": f"cake unlimited besteffort memlimit {max(held, 32 * _MTU_BYTES)}",
    }[direction.discipline]
    return f"qdisc replace dev @DEV@ parent {number:x}:1 handle {_WAITING + number:x}: {discipline}"


def site_handle(way: int, index: int) -> int:
    """The number of a site's class one way, and of the netem in it."""
    return _SITES[way] + index


def queue_handle(way: int, index: int) -> int:
    """The number of the queue below that netem."""
    return _WAITING + site_handle(way, index)


def root() -> list[str]:
    """The bare tree, that `queues` fills."""
    return ["qdisc replace dev @DEV@ root handle 1: stab overhead -14 mtu 2048 tsize 512 htb default 0"]


def _share(rate_bps: int, total_bps: int, shared_bps: int) -> int:
    """A member's guaranteed part of what it shares, in proportion to its rate; what others leave it may borrow."""
    return max(8, min(rate_bps, shared_bps * rate_bps // total_bps))


def _towards(link: Link, way: int) -> Direction:
    """The direction of a member's link that a way takes: up into the hub, down from it."""
    return link.up if way == INTO_HUB else link.down


def tree(topology: Topology, way: int) -> Iterator[tuple[Site, str, int]]:
    """Every site with its parent class and its guaranteed rate there."""
    hub_bps = _hub_bps(topology, way)
    alone = [site for site in topology.sites if site.region is None]
    total = _total_bps(topology, way)
    for site in alone:
        yield site, f"1:{way}", _share(_towards(site.link, way).rate_bps, total, hub_bps)
    for number, region in enumerate(topology.regions):
        members = [site for site in topology.sites if site.region == region.name]
        shared_bps = _share(_towards(region.link, way).rate_bps, total, hub_bps)
        among = sum(_towards(site.link, way).rate_bps for site in members)
        for site in members:
            parent = f"1:{_REGIONS[way] + number:x}"
            yield site, parent, _share(_towards(site.link, way).rate_bps, among, shared_bps)


def _hub_bps(topology: Topology, way: int) -> int:
    link = topology.hub.link
    return (link.down if way == INTO_HUB else link.up).rate_bps


def _total_bps(topology: Topology, way: int) -> int:
    """What all that hangs directly on the hub's link could carry: regions, and sites without one."""
    members: list[Site | Region] = [site for site in topology.sites if site.region is None]
    return sum(_towards(member.link, way).rate_bps for member in [*members, *topology.regions])


def _shared_classes(topology: Topology, way: int) -> list[str]:
    """The classes of what is shared: the hub's link, and each region's."""
    hub_bps = _hub_bps(topology, way)
    lines = [_class("1:", f"1:{way:x}", hub_bps, hub_bps)]
    total = _total_bps(topology, way)
    for number, region in enumerate(topology.regions):
        rate_bps = _towards(region.link, way).rate_bps
        classid = f"1:{_REGIONS[way] + number:x}"
        lines.append(_class(f"1:{way:x}", classid, _share(rate_bps, total, hub_bps), min(rate_bps, hub_bps)))
    return lines


def queues(topology: Topology) -> list[str]:
    """The classes of what is shared, and every site's class and queues, both ways; on a tree that has them, they
    change in place.
    """
    lines = []
    paths = {site.index: whole_path(topology, site) for site in topology.sites}
    for way in (INTO_HUB, FROM_HUB):
        lines += _shared_classes(topology, way)
        for site, parent, guaranteed_bps in tree(topology, way):
            lines += site_queues(way, site.index, _towards(paths[site.index], way), parent, guaranteed_bps)
    return lines


def site_queues(way: int, index: int, direction: Direction, parent: str, guaranteed_bps: int) -> list[str]:
    """One site's class and queues, one way."""
    own_bps = min(guaranteed_bps, direction.rate_bps)
    return [
        _class(parent, f"1:{_SITES[way] + index:x}", own_bps, direction.rate_bps),
        _netem(way, index, direction),
        _bottleneck(way, index, direction),
    ]


def lookups(topology: Topology) -> list[str]:
    """The filters: by direction, then hashed by the site's third address byte: 2,000 sites cost what one does."""
    table = "filter add dev @DEV@ parent 1: prio 1"
    lines = [f"{table} handle {number:x}: protocol ip u32 divisor 256" for number in _TABLE.values()]
    for way, side, offset in ((INTO_HUB, "dst", 12), (FROM_HUB, "src", 16)):
        lines.append(
            f"{table} protocol ip u32 ht 800:: match ip {side} {HUB_ADDRESS} "
            f"hashkey mask 0x0000ff00 at {offset} link {_TABLE[way]:x}:"
        )
    for site in topology.sites:
        for way, side in ((INTO_HUB, "src"), (FROM_HUB, "dst")):
            lines.append(
                f"{table} protocol ip u32 ht {_TABLE[way]:x}:{site.index & 255:x}: "
                f"match ip {side} {subnet(site.index)} flowid 1:{_SITES[way] + site.index:x}"
            )
    return lines


def mtus(topology: Topology) -> list[tuple[Site, int]]:
    """The bytes of the largest packet between each site and the hub."""
    return [(site, whole_path(topology, site).down.mtu) for site in topology.sites]


def routes(topology: Topology) -> list[str]:
    """The router's neighbours and routes: every site behind its gateway, the hub behind its own port."""
    largest = {site.index: mtu for site, mtu in mtus(topology)}
    lines = []
    for index, network in [(0, HUB_ADDRESS), *((site.index, subnet(site.index)) for site in topology.sites)]:
        hop = next_hop(index)
        lines.append(f"neighbour replace {hop} lladdr {uplink_mac(index)} nud permanent dev @DEV@")
        mtu = f" mtu {largest[index]}" if largest.get(index, _MTU_BYTES) < _MTU_BYTES else ""
        lines.append(f"route replace {network} via {hop} dev @DEV@ onlink{mtu}")
    return lines


UNIFORM = tuple(round(8192 * math.sqrt(3) * (2 * i + 1 - 4096) / 4096) for i in range(4096))
"""Netem's table of the uniform distribution of deviation 1; what netem draws without a table has 1/√3."""


def tables(topology: Topology) -> Mapping[str, str]:
    """Netem's tables of delays that do not come with `tc`, by name, in the form of its `.dist` files."""
    own = {"uniform": UNIFORM, **topology.tables}
    return {name: " ".join(map(str, values)) + "\n" for name, values in own.items()}
