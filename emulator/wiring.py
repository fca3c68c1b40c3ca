"""The cables and addresses of a world, as orders for its places and settings: pure, nothing is done here.

    site's worker ── eth0 ┐
    site's PACS ──── eth0 ┴ lan (bridge) · gateway · wan ── uN ┐
    hub ─────────────────────────────────────────── wan ── u0 ┴ wan (bridge, ports isolated) ── r0 ── router

Every frame crosses the router: the ports of the bridge can't see each other. MAC addresses are fixed and the WAN's
neighbours are permanent entries, so that no ARP crosses the WAN at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emulator.orders import Address, Bridge, Cable, Change, Forward, Isolation, Neighbour, Order, Removal, Route
from emulator.places import HUB_ADDRESS, gateway_address, worker_address
from emulator.topology.resolved import Site

ROUTER_ADDRESS = "100.64.0.1"
ROUTER_MAC = "02:02:00:00:00:01"
WAN_ADDRESS = "100.64.0.2"
WAN_PREFIX = 10
ROUTER_PORT = "r0"
MOST_SITES = 1000  # a bridge of the kernel has at most 1,023 ports
LAN_PREFIX = 24
WAN_MTU = 1500
# Jumbo frames: single packets at a sixth of the cost, so that a pull takes the server's time, not the emulation's.
LAN_MTU = 9000

SETTINGS = {
    "net/ipv6/conf/all/disable_ipv6": "1",  # the kernel takes it over into the default
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    # One connection's buffers grow to what 200 Mbit/s need at 600 ms; the kernel's usual 4 MiB are fewer.
    "net/ipv4/tcp_rmem": "4096 131072 33554432",
    "net/ipv4/tcp_wmem": "4096 16384 33554432",
}


@dataclass(frozen=True)
class Wires:
    """Orders for one place. `plain` names interfaces there whose offloads are switched off afterwards."""

    place: str
    orders: tuple[Order, ...]
    plain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    """nftables rules for one place, as text."""

    place: str
    text: str


Step = Wires | Rules


def uplink_mac(index: int) -> str:
    return f"02:01:00:00:{index >> 8:02x}:{index & 255:02x}"


def lan_mac(role: int, index: int) -> str:
    return f"02:03:{role:02x}:00:{index >> 8:02x}:{index & 255:02x}"


def next_hop(index: int) -> str:
    """The address by which the router knows a gateway: never answered, only a permanent neighbour entry."""
    return f"100.65.{index >> 8}.{index & 255}"


def port(index: int) -> str:
    """The WAN bridge's port of a site (the hub is 0)."""
    return f"u{index}"


def wan() -> Wires:
    """The WAN's bridge, before it has ports."""
    orders = (
        Change("lo", up=True),
        Bridge("wan", "02:02:00:00:00:02", WAN_MTU),
        Address("wan", WAN_ADDRESS, WAN_PREFIX),
        Neighbour("wan", ROUTER_ADDRESS, ROUTER_MAC),
    )
    return Wires("wan", orders)


def uplinks(ends: Sequence[tuple[int, str]]) -> Wires:
    """Cables to the WAN, by number and place: isolated ports that learn nothing and are flooded with nothing."""
    orders: list[Order] = []
    for index, place in ends:
        near = Change(port(index), bridge="wan", up=True)
        orders += Cable(near, Change("wan", mac=uplink_mac(index)), place), Isolation(port(index))
    return Wires("wan", tuple(orders), tuple(port(index) for index, _ in ends))


def forget_uplink(index: int) -> Wires:
    return Wires("wan", (Removal(port(index)),))


def known_ports(indices: Iterable[int]) -> Wires:
    """Which port each gateway is behind, since the ports don't learn."""
    return Wires("wan", tuple(Forward(port(index), uplink_mac(index)) for index in indices))


def _way_out(source: str, mtu: int) -> tuple[Order, ...]:
    return (
        Change("wan", up=True, single_packets=True),
        _to_router(source, mtu),
        Neighbour("wan", ROUTER_ADDRESS, ROUTER_MAC),
    )


def way_out(site: Site, mtu: int) -> Wires:
    """The gateway's way to the hub anew, for packets of at most `mtu` bytes: who sends larger ones is told so."""
    return Wires(site.name, (_to_router(gateway_address(site.index), mtu),))


def _to_router(source: str, mtu: int) -> Route:
    return Route("wan", ROUTER_ADDRESS, onlink=True, source=source, mtu=mtu if mtu < WAN_MTU else None)


def hub() -> Wires:
    orders = (Change("lo", up=True), Address("wan", HUB_ADDRESS, 32), *_way_out(HUB_ADDRESS, WAN_MTU))
    return Wires("hub", orders, ("wan",))


def gateway(site: Site, mtu: int) -> Wires:
    """The gateway: the LAN's bridge with the worker on it, and the way out. The PACS's machine brings its own cable."""
    orders = (
        Change("lo", up=True),
        Bridge("lan", lan_mac(1, site.index), LAN_MTU),
        lan_cable("worker", 3, site),
        Address("lan", gateway_address(site.index), LAN_PREFIX),
        *_way_out(gateway_address(site.index), mtu),
    )
    return Wires(site.name, orders, ("wan", "worker"))


def lan_cable(role: str, number: int, site: Site) -> Cable:
    """At the gateway: a cable from the LAN's bridge to a place of the site."""
    near = Change(role, mtu=LAN_MTU, bridge="lan", up=True)
    far = Change("eth0", mac=lan_mac(number, site.index), mtu=LAN_MTU)
    return Cable(near, far, f"{site.name}/{role}")


def host_on_lan(place: str, address: str, site: Site) -> Wires:
    """A host's own end of its LAN cable: one address, the gateway as the only way out."""
    orders = (
        Change("lo", up=True),
        Change("eth0", up=True, single_packets=True),
        Address("eth0", address, LAN_PREFIX),
        Route("eth0", gateway_address(site.index), mtu=WAN_MTU),
    )
    return Wires(place, orders, ("eth0",))


def places(site: Site) -> tuple[str, ...]:
    """The places of a site that are always namespaces: its gateway and its worker."""
    return site.name, f"{site.name}/worker"


def site_steps(site: Site, mtu: int = WAN_MTU) -> tuple[Wires, ...]:
    """A site without its PACS's machine, in the order of building; its places and its uplink are there already."""
    return gateway(site, mtu), host_on_lan(f"{site.name}/worker", worker_address(site.index), site)
