"""Who may talk to whom across the WAN, as nftables text. Everything else is dropped and counted.

The rules sit on the WAN bridge's ports, where frames come in: a site can't forge another's address, can't reach another
site or the router itself, and nothing but IPv4 enters (no ARP, no IPv6).
"""

from collections.abc import Iterable

from emulator.places import (
    CONTROL_PORT,
    HUB_ADDRESS,
    MODEL_PORT,
    PROBE_PORTS,
    UPDATE_PORT,
    gateway_address,
    worker_address,
)
from emulator.wiring import Rules, port

_PORTS_A_CHAIN = 250  # the kernel takes 255
_HUB_PORTS = f"{{ {', '.join(map(str, (CONTROL_PORT, MODEL_PORT, UPDATE_PORT, *PROBE_PORTS)))} }}"


def _own(indices: Iterable[int]) -> list[str]:
    addresses = ((i, address) for i in indices for address in (gateway_address(i), worker_address(i)))
    return [f'"{port(i)}" . {address}' for i, address in addresses]


def _entries(ports: list[int]) -> str:
    """Where frames come in: all judged alike, by as many chains as are needed."""
    chains = []
    for start in range(0, len(ports), _PORTS_A_CHAIN):
        devices = ", ".join(f'"{port(i)}"' for i in ports[start : start + _PORTS_A_CHAIN])
        hook = f"type filter hook ingress devices = {{ {devices} }} priority 0; policy drop;"
        chains.append(f"    chain entry{start} {{\n        {hook}\n        jump judge\n    }}")
    return "\n".join(chains)


def rules(indices: Iterable[int]) -> Rules:
    """The whole table, replaced at once. `indices` are those of the sites that are up."""
    known = list(indices)
    own = ", ".join(_own(known))
    text = f"""
add table netdev access
delete table netdev access
table netdev access {{
    counter refused {{ }}
    set own {{
        typeof iifname . ip saddr
        elements = {{ {own} }}
    }}
    chain judge {{
        iifname . ip saddr @own ip daddr {HUB_ADDRESS} tcp dport {_HUB_PORTS} accept
        iifname . ip saddr @own ip daddr {HUB_ADDRESS} ip protocol icmp accept
        iifname "{port(0)}" ip saddr {HUB_ADDRESS} tcp sport {_HUB_PORTS} tcp flags & (syn | ack) != syn accept
        iifname "{port(0)}" ip saddr {HUB_ADDRESS} ip protocol icmp accept
        counter name refused drop
    }}
{_entries([0, *known])}
}}
"""
    return Rules("wan", text)
