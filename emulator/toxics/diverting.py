"""How a worker's connections come to the Toxiproxy of its gateway, as nftables text: pure, nothing is done here.

The worker keeps the addresses that it has. What it sends to the hub crosses the gateway anyhow; what it sends to its
PACS would only cross the gateway's bridge, so these frames are lifted into the gateway's own stack first. There the
first packet of a connection is redirected to a proxy; connections that are open already pass as before. The proxies
take nothing but redirected connections, so that nobody gets past the policy through them.
"""

from collections.abc import Collection

from emulator.places import worker_address
from emulator.topology.resolved import Site, Target
from emulator.toxics.server import all_proxies, proxies
from emulator.wiring import Rules, lan_mac

_FAMILIES = ("ip", "bridge")


def ready_to_divert(site: Site) -> Rules:
    """The tables, with nothing in their sets: nothing is diverted yet."""
    worker = worker_address(site.index)
    moved = {proxy.port: proxy.own_port for proxy in all_proxies(site)}
    own_ports = ", ".join(map(str, moved.values()))
    text = f"""
table ip toxics {{
    set diverted {{
        type ipv4_addr . inet_service
    }}
    chain divert {{
        type nat hook prerouting priority dstnat; policy accept;
        iifname "lan" ip saddr {worker} ip daddr . tcp dport @diverted tcp flags & (syn | ack) == syn \\
            redirect to :tcp dport map {{ {", ".join(f"{port} : {own}" for port, own in moved.items())} }}
    }}
    chain guard {{
        type filter hook input priority filter; policy accept;
        tcp dport {{ {own_ports} }} ct status & dnat == 0 drop
    }}
}}
table bridge toxics {{
    set diverted {{
        type ipv4_addr . inet_service
    }}
    chain lift {{
        type filter hook prerouting priority dstnat; policy accept;
        iifname "worker" ip saddr {worker} ip daddr . tcp dport @diverted \\
            ether daddr set {lan_mac(1, site.index)} meta pkttype set host
    }}
}}
"""
    return _nft(site, [*_forgotten(), text])


def divert(site: Site, on: Collection[Target], *, only: bool) -> Rules:
    """New connections to these services go through their proxies; with `only`, no others do any more."""
    ports = [proxy for target in sorted(on) for proxy in proxies(site, target)]
    elements = ", ".join(f"{proxy.address} . {proxy.port}" for proxy in ports)
    lines = []
    for family in _FAMILIES:
        lines += [f"flush set {family} toxics diverted"] if only else []
        lines += [f"add element {family} toxics diverted {{ {elements} }}"] if elements else []
    return _nft(site, lines)


def leave_alone(site: Site) -> Rules:
    """No connection is diverted any more; those that went through a proxy break."""
    return _nft(site, _forgotten())


def _forgotten() -> list[str]:
    """Adding first makes deleting work whether a table is there or not."""
    return [f"{verb} table {family} toxics" for family in _FAMILIES for verb in ("add", "delete")]


def _nft(site: Site, lines: list[str]) -> Rules:
    """One transaction at the gateway: all of it happens at once, or nothing."""
    return Rules(site.name, "\n".join(lines) + "\n")
