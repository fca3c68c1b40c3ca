"""Background traffic of a world, as scripts for MGEN (of the U.S. Naval Research Laboratory) and rules: pure.

Each site that sends, and the hub for each site that it sends to, has one generator with all flows of that path. What
arrives ends at the receiver's interface, in `sink`: nobody listens, and nobody answers.
"""

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from emulator import shaping
from emulator.errors import CannotHere
from emulator.places import HUB_ADDRESS, SINK_PORT, gateway_address
from emulator.topology.resolved import Flow, Site, Topology
from emulator.wiring import Rules

PROGRAM = "mgen"
ADVICE = "apt-get install mgen"
TABLE = "traffic"

_HEADERS_BYTES = 28  # IP and UDP
_SCRIPT = "flows.mgn"


@dataclass(frozen=True)
class Generator:
    """A process at `place` that sends the flows of `script` for as long as it runs. `site` is at either end of them."""

    name: str
    place: str
    site: str
    script: str

    @property
    def argv(self) -> tuple[str, ...]:
        """To be run in the folder with the script. Without logs, that would grow with every packet."""
        return PROGRAM, "nolog", "input", _SCRIPT

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        return ((_SCRIPT, self.script),)


def generators(topology: Topology) -> tuple[Generator, ...]:
    """Every generator of a topology."""
    return tuple(one for site in topology.sites for one in _of(site, topology))


def _of(site: Site, topology: Topology) -> Iterator[Generator]:
    path = shaping.whole_path(topology, site)
    for place, target, mtu in (
        (site.name, HUB_ADDRESS, path.up.mtu),
        ("hub", gateway_address(site.index), path.down.mtu),
    ):
        flows = [flow for flow in topology.traffic if flow.source == place and site.name in (flow.source, flow.target)]
        if flows:
            to = f"UDP DST {target}/{SINK_PORT}"
            lines = [f"0.0 ON {n} {to} {_pattern(flow, mtu)}" for n, flow in enumerate(flows, 1)]
            peer = "hub" if place == site.name else site.name
            yield Generator(f"{place}/traffic-{peer}", place, site.name, "\n".join(lines) + "\n")


def _pattern(flow: Flow, mtu: int) -> str:
    """In MGEN's words: packets as large as the path takes, so many a second."""
    packets = f"[{flow.rate_bps / (8 * mtu):.6f} {mtu - _HEADERS_BYTES}]"
    if flow.pattern == "web":
        return f"BURST [RANDOM {_interval_s(flow):.6f} PERIODIC {packets} EXP {flow.on_s:.6f}]"
    return f"{'POISSON' if flow.pattern == 'poisson' else 'PERIODIC'} {packets}"


def _interval_s(flow: Flow) -> float:
    """MGEN's mean interval I between bursts that gives gaps of off_s on average.

    It draws an interval and a length D, both exponential, and begins the next burst after the longer of the two: after
    I + D - ID/(I + D) on average, which is to be on_s + off_s with D = on_s.
    """
    return (flow.off_s + math.sqrt(flow.off_s**2 + 4 * flow.on_s * flow.off_s)) / 2


def receivers(topology: Topology) -> frozenset[str]:
    """The places that flows end at."""
    return frozenset(flow.target for flow in topology.traffic)


_CLEARED = f"add table netdev {TABLE}\ndelete table netdev {TABLE}\n"
_SINK = f"""{_CLEARED}table netdev {TABLE} {{
    chain sink {{
        type filter hook ingress device "wan" priority 0; policy accept;
        udp dport {SINK_PORT} drop
    }}
}}
"""


def sink(place: str) -> Rules:
    """Where flows end: counted by the interface, then dropped, so that no ICMP tells that nobody listens."""
    return Rules(place, _SINK)


def no_sink(place: str) -> Rules:
    """The place as it is without traffic."""
    return Rules(place, _CLEARED)


def prove(topology: Topology) -> None:
    """Raises `CannotHere` where a topology has traffic and this machine no generator."""
    if topology.traffic and shutil.which(PROGRAM) is None:
        raise CannotHere(f"topology '{topology.name}' has background traffic and there is no {PROGRAM}: {ADVICE}")
