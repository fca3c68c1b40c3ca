"""A router without netem: the host's token buckets for the rates, and Toxiproxy at each gateway for the delays.

For machines that have neither netem nor user-mode Linux. Rates are real for everything; delay and jitter hold for TCP
connections to the hub only (a ping shows none of it), and nothing is lost, doubled, damaged or reordered.
"""

import re
import shutil
from dataclasses import replace

from emulator.errors import CannotHere
from emulator.reach import Agent
from emulator.shaping import whole_path
from emulator.topology.resolved import Direction, LatencyToxic, Site, Stream, Topology
from emulator.toxics.server import ADVICE, PROGRAM
from emulator.wan.host import HostKernel

_BELOW_NETEM = re.compile(r"parent ([0-9a-f]+):1 handle")
_SHORTEST_S = 0.0005  # Toxiproxy counts whole milliseconds


class PlainKernel(HostKernel):
    name = "plain"
    netem = False

    def why_not(self) -> str | None:
        """Token buckets are in every kernel that has traffic control."""
        if shutil.which(PROGRAM) is None:
            return f"{PROGRAM}, which delays connections where no kernel can, is not on the PATH: {ADVICE}"
        return None

    def fitted(self, topology: Topology) -> Topology:
        """The same network with the delays of its links as toxics on the hub's ports."""
        return replace(topology, sites=tuple(_delayed(topology, site) for site in topology.sites))

    def run(self, agent: Agent, argv: tuple[str, ...], text: str) -> str:
        return super().run(agent, argv, without_netem(text))


def without_netem(text: str) -> str:
    """Lines for `tc -batch` with the bottleneck's queue right in its class, where netem would lie between the two."""
    lines = [line for line in text.splitlines() if " netem " not in line]
    return "".join(_BELOW_NETEM.sub(r"parent 1:\1 handle", line) + "\n" for line in lines)


def _delayed(topology: Topology, site: Site) -> Site:
    path = whole_path(topology, site)
    ways: tuple[tuple[Stream, Direction], ...] = (("downstream", path.down), ("upstream", path.up))
    delays = tuple(
        LatencyToxic(on="hub", stream=stream, latency_s=round(way.delay_s, 3), jitter_s=round(way.jitter_s, 3))
        for stream, way in ways
        if way.delay_s >= _SHORTEST_S
    )
    if delays and {*delays} <= {*site.toxics}:  # as a world's own topology has it, which a run is replayed from
        return site
    if any(isinstance(toxic, LatencyToxic) and toxic.on == "hub" for toxic in site.toxics):
        raise CannotHere(
            f"site '{site.name}': a latency toxic on the hub, where WAN kernel plain puts the link's own delay; "
            "take it away, add it to the link's rtt, or use another WAN kernel"
        )
    return replace(site, toxics=(*site.toxics, *delays))
