"""The cables and addresses of a world, as text for `ip -batch` and settings: pure, nothing is done here.

    site's worker ── eth0 ┐
    site's PACS ──── eth0 ┴ lan (bridge) · gateway · wan ── uN ┐
    hub ─────────────────────────────────────────── wan ── u0 ┴ wan (bridge, ports isolated) ── r0 ── router

Every frame crosses the router: the ports of the bridge can't see each other. MAC addresses are fixed and the WAN's
neighbours are permanent entries, so that no ARP crosses the WAN at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emulator.places import HUB_ADDRESS, gateway_address, subnet, worker_address
from emulator.topology.resolved import Site

ROUTER_ADDRESS = "100.64.0.1"
ROUTER_MAC = "02:02:00:00:00:01"
WAN_ADDRESS = "100.64.0.2"
WAN_PREFIX = 10
ROUTER_PORT = "r0"
MOST_SITES = 1000  # a bridge of the kernel has at most 1,023 ports
WAN_MTU = 1500
# Jumbo frames: single packets at a sixth of the cost, so that a pull takes the server's time, not the emulation's.
LAN_MTU = 9000

SETTINGS = {
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
}


@dataclass(frozen=True)
class Step:
    """One program fed at one place. `plain` names interfaces there whose offloads are switched off afterwards."""

    place: str
    argv: tuple[str, ...]
    text: str
    plain: tuple[str, ...] = ()


def ip_batch(place: str, lines: Iterable[str], plain: tuple[str, ...] = ()) -> Step:
    return Step(place, ("ip", "-batch", "-"), "\n".join(lines) + "\n", plain)


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


def wan() -> Step:
    """The WAN's bridge, before it has ports."""
    lines = (
        "link set lo up",
        "link add wan type bridge",
        "link set wan address 02:02:00:00:00:02 up",
        f"address add {WAN_ADDRESS}/{WAN_PREFIX} dev wan",
        f"neighbour add {ROUTER_ADDRESS} lladdr {ROUTER_MAC} nud permanent dev wan",
    )
    return ip_batch("wan", lines)


def uplinks(ends: Sequence[tuple[int, str]]) -> Step:
    """Cables to the WAN, by number and place: isolated ports that learn nothing and are flooded with nothing."""
    lines: list[str] = []
    for index, place in ends:
        name = port(index)
        lines += (
            f"link add {name} type veth peer name wan address {uplink_mac(index)} netns {place}",
            f"link set {name} master wan up",
            f"link set {name} type bridge_slave isolated on learning off flood off mcast_flood off bcast_flood off",
        )
    return ip_batch("wan", lines, tuple(port(index) for index, _ in ends))


def forget_uplink(index: int) -> Step:
    return ip_batch("wan", (f"link delete {port(index)}",))


def known_ports(indices: Iterable[int]) -> Step:
    """Which port each gateway is behind, since the ports don't learn."""
    lines = [f"fdb replace {uplink_mac(index)} dev {port(index)} master static" for index in indices]
    return Step("wan", ("bridge", "-batch", "-"), "\n".join(lines) + "\n")


def _way_out(source: str) -> tuple[str, ...]:
    return (
        "link set wan gso_max_segs 1 up",
        f"route add default via {ROUTER_ADDRESS} dev wan onlink src {source}",
        f"neighbour add {ROUTER_ADDRESS} lladdr {ROUTER_MAC} nud permanent dev wan",
    )


def hub() -> Step:
    lines = ("link set lo up", f"address add {HUB_ADDRESS}/32 dev wan", *_way_out(HUB_ADDRESS))
    return ip_batch("hub", lines, ("wan",))


def gateway(site: Site) -> Step:
    """The gateway: the LAN's bridge with the worker on it, and the way out. The PACS's machine brings its own cable."""
    name, index = site.name, site.index
    lines = (
        "link set lo up",
        "link add lan type bridge",
        f"link set lan address {lan_mac(1, index)} mtu {LAN_MTU} up",
        *lan_cable("worker", 3, site),
        f"address add {gateway_address(index)}/24 dev lan",
        *_way_out(gateway_address(index)),
    )
    return ip_batch(name, lines, ("wan", "worker"))


def lan_cable(role: str, number: int, site: Site) -> tuple[str, ...]:
    """For the gateway's batch: a cable from the LAN's bridge to a place of the site."""
    return (
        f"link add {role} type veth peer name eth0 address {lan_mac(number, site.index)} netns {site.name}.{role}",
        f"link set {role} mtu {LAN_MTU} master lan up",
    )


def host_on_lan(place: str, address: str, site: Site) -> Step:
    """A host's own end of its LAN cable: one address, the gateway as the only way out."""
    prefix = subnet(site.index).rpartition("/")[2]
    lines = (
        "link set lo up",
        f"link set eth0 mtu {LAN_MTU} gso_max_segs 1 up",
        f"address add {address}/{prefix} dev eth0",
        f"route add default via {gateway_address(site.index)} mtu {WAN_MTU}",
    )
    return ip_batch(place, lines, ("eth0",))


def places(site: Site) -> tuple[str, ...]:
    """The places of a site that are always namespaces: its gateway and its worker."""
    return site.name, f"{site.name}/worker"


def site_steps(site: Site) -> tuple[Step, ...]:
    """A site without its PACS's machine, in the order of building; its places and its uplink are there already."""
    return gateway(site), host_on_lan(f"{site.name}/worker", worker_address(site.index), site)
