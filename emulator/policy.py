"""Who may talk to whom across the WAN, as nftables text. Everything else is dropped and counted.

The rules sit on the WAN bridge's ports, where frames come in: a site can't forge another's address, can't reach another
site or the router itself, and nothing but whole, plain IPv4 packets to the router enters (no ARP, no IPv6, no VLAN, no
IP options, no fragments of TCP or UDP, whose ports nobody can read).

Who may call is a rule or an element of `open`; each call is kept in `called` for an hour after its last packet, and
only what fits a call kept there may come back. So the flags of a TCP segment prove nothing, and need not.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from emulator.places import (
    CONTROL_PORT,
    HUB_ADDRESS,
    MODEL_PORT,
    PROBE_PORTS,
    SINK_PORT,
    UPDATE_PORT,
    gateway_address,
    pacs_address,
    worker_address,
)
from emulator.topology.resolved import Site, Topology
from emulator.wiring import MOST_SITES, ROUTER_MAC, Rules, port, uplink_mac

TABLE = "access"

_PORTS_A_CHAIN = 250  # the kernel takes 255
_ELEMENTS_A_MESSAGE = 1000
_HUB_PORTS = f"{{ {', '.join(map(str, (CONTROL_PORT, MODEL_PORT, UPDATE_PORT, *PROBE_PORTS)))} }}"
_PINGS = "{ echo-request, echo-reply, destination-unreachable, time-exceeded, parameter-problem }"
_ASKED = "ip saddr . ip daddr . meta l4proto . th dport"
_ANSWERED = "ip saddr . ip daddr . meta l4proto . th sport . th dport"
_KEEP = "update @called { ip daddr . ip saddr . meta l4proto . th dport . th sport }"

_SETS = {
    "own": "typeof iifname . ether saddr . ip saddr;",
    "members": "typeof ip saddr;",
    "open": f"typeof {_ASKED};",
    "oneway": f"typeof {_ASKED};",
    "refusals": "typeof iifname; counter;",
}
_CALLED = f"typeof {_ANSWERED}; size 1048576; flags dynamic, timeout; timeout 1h;"

_JUDGE = (
    # Read off the frame: the kernel has taken a VLAN's tag away, and the packet alone looks as if it never had one.
    "ether type != ip goto refuse",
    f"ether daddr != {ROUTER_MAC} goto refuse",
    "ip version != 4 goto refuse",
    "ip hdrlength != 5 goto refuse",
    "iifname . ether saddr . ip saddr != @own goto refuse",
    f"ip protocol icmp ip saddr @members ip daddr {HUB_ADDRESS} goto ping",
    f"ip protocol icmp ip saddr {HUB_ADDRESS} ip daddr @members goto ping",
    "ip frag-off & 0x3fff != 0 goto refuse",
    f"tcp flags & (syn | ack) != syn {_ANSWERED} @called accept",
    f"meta l4proto udp {_ANSWERED} @called accept",
    f"ip saddr @members ip daddr {HUB_ADDRESS} tcp dport {_HUB_PORTS} {_KEEP} accept",
    f"{_ASKED} @open {_KEEP} accept",
    f"{_ASKED} @oneway accept",
    "goto refuse",
)
_PING = (
    "ip frag-off & 0x1fff != 0 accept",  # the rest of a packet, nothing without its beginning
    f"icmp type {_PINGS} accept",
    "goto refuse",
)
_REFUSE = ("counter name refused", "iifname @refusals drop", "drop")


@dataclass(frozen=True)
class Refused:
    """Packets that were dropped because nothing allows them, and their bytes."""

    packets: int
    bytes: int


def rules(topology: Topology) -> Iterator[Rules]:
    """The whole policy, laid over the one that is there: what is under way goes on, and counters count on.

    All in one go, up to about 300 sites; the sites after those get their elements in messages of their own.
    """
    indices = [site.index for site in topology.sites]
    elements = list(_elements(topology))
    first = [*_emptied(), *_elements_added(elements[:_ELEMENTS_A_MESSAGE]), *_filled(), *_entries([0, *indices])]
    yield Rules("wan", "\n".join(first) + "\n")
    for start in range(_ELEMENTS_A_MESSAGE, len(elements), _ELEMENTS_A_MESSAGE):
        yield Rules("wan", "\n".join(_elements_added(elements[start : start + _ELEMENTS_A_MESSAGE])) + "\n")


def _emptied() -> Iterator[str]:
    """The table and its parts, as they are made the first time, and emptied but for what is counted and kept."""
    yield f"add table netdev {TABLE}"
    yield f"add counter netdev {TABLE} refused"
    yield f"add set netdev {TABLE} called {{ {_CALLED} }}"
    for name, kind in _SETS.items():
        yield f"add set netdev {TABLE} {name} {{ {kind} }}"
        if name != "refusals":
            yield f"flush set netdev {TABLE} {name}"
    for number in range(-(-(MOST_SITES + 1) // _PORTS_A_CHAIN)):
        yield from (f"{verb} chain netdev {TABLE} entry{number}" for verb in ("add", "flush", "delete"))


def _filled() -> Iterator[str]:
    for chain, lines in (("refuse", _REFUSE), ("ping", _PING), ("judge", _JUDGE)):
        yield from (f"{verb} chain netdev {TABLE} {chain}" for verb in ("add", "flush"))
        yield from (f"add rule netdev {TABLE} {chain} {line}" for line in lines)


def _entries(ports: list[int]) -> Iterator[str]:
    """Where frames come in: all judged alike, by as many chains as are needed."""
    for number, start in enumerate(range(0, len(ports), _PORTS_A_CHAIN)):
        devices = ", ".join(f'"{port(i)}"' for i in ports[start : start + _PORTS_A_CHAIN])
        hook = f"type filter hook ingress devices = {{ {devices} }} priority 0; policy drop;"
        yield f"add chain netdev {TABLE} entry{number} {{ {hook} }}"
        yield f"add rule netdev {TABLE} entry{number} jump judge"


def _elements_added(elements: Iterable[tuple[str, str]]) -> Iterator[str]:
    of_set: dict[str, list[str]] = {}
    for name, element in elements:
        of_set.setdefault(name, []).append(element)
    for name, several in of_set.items():
        yield f"add element netdev {TABLE} {name} {{ {', '.join(several)} }}"


def _elements(topology: Topology) -> Iterator[tuple[str, str]]:
    """What the sets hold: (set, element)."""
    yield "own", _sender(0, HUB_ADDRESS)
    yield "refusals", f'"{port(0)}"'
    for site in topology.sites:
        members = (gateway_address(site.index), worker_address(site.index))
        yield from (("members", address) for address in members)
        yield from (("own", _sender(site.index, address)) for address in members)
        yield "refusals", f'"{port(site.index)}"'
    at = {site.name: site for site in topology.sites}
    named = {place for opening in topology.policy for place in (opening.source, opening.target)}
    pacs = (site for site in topology.sites if f"{site.name}/pacs" in named)
    yield from (("own", _sender(site.index, pacs_address(site.index))) for site in pacs)
    for way in topology.policy:
        yield "open", f"{_address(way.source, at)} . {_address(way.target, at)} . {way.protocol} . {way.port}"
    for source, target in dict.fromkeys((flow.source, flow.target) for flow in topology.traffic):
        yield "oneway", f"{_address(source, at)} . {_address(target, at)} . udp . {SINK_PORT}"


def _sender(index: int, address: str) -> str:
    return f'"{port(index)}" . {uplink_mac(index)} . {address}'


_ADDRESSES = {"": gateway_address, "pacs": pacs_address, "worker": worker_address}


def _address(place: str, at: Mapping[str, Site]) -> str:
    site, _, role = place.partition("/")
    return HUB_ADDRESS if place == "hub" else _ADDRESSES[role](at[site].index)


COUNTERS = ("nft", "-j", "list", "set", "netdev", TABLE, "refusals")
"""Run at the WAN, it prints what `refused` reads."""


def refused(printed: str, sites: Iterable[Site]) -> dict[str, Refused]:
    """What was refused of each place that is on the WAN, by name, since the world came up."""
    elements = json.loads(printed)["nftables"][-1]["set"]["elem"]
    counted = {element["elem"]["val"]: element["elem"]["counter"] for element in elements}
    ends = [("hub", 0), *((site.name, site.index) for site in sites)]
    return {name: Refused(**counted[port(index)]) for name, index in ends}
