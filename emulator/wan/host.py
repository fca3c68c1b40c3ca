"""The host's own kernel as the router: a namespace with netem."""

import functools
import subprocess
import sys
from pathlib import Path

from emulator.errors import Fell
from emulator.orders import Address, Cable, Change
from emulator.reach import Agent
from emulator.topology.resolved import Topology
from emulator.wan.kernel import TABLES
from emulator.wiring import (
    ROUTER_ADDRESS,
    ROUTER_MAC,
    ROUTER_PORT,
    WAN_PREFIX,
    Wires,
)

_PLACE = "router"
_PROBE = Path(__file__).parent.parent / "inside" / "try_netem.py"


class HostKernel:
    name = "host"
    device = "eth0"
    netem = True

    def why_not(self) -> str | None:
        """Really puts a netem queue on a loopback of its own, and lets it vanish."""
        return _no_netem()

    def fitted(self, topology: Topology) -> Topology:
        return topology

    def places(self) -> tuple[str, ...]:
        return (_PLACE,)

    def cable(self) -> tuple[Wires, ...]:
        near, far = Change(ROUTER_PORT, bridge="wan", up=True), Change("eth0", mac=ROUTER_MAC)
        inside = (
            Change("lo", up=True),
            Change("eth0", up=True, single_packets=True),
            Address("eth0", ROUTER_ADDRESS, WAN_PREFIX),
        )
        return Wires("wan", (Cable(near, far, _PLACE),), (ROUTER_PORT,)), Wires(_PLACE, inside, ("eth0",))

    def start(self, agent: Agent, folder: str) -> None:
        """A kernel that runs already."""

    def wait(self, agent: Agent, folder: str) -> None:
        """A kernel that runs already."""

    def run(self, agent: Agent, argv: tuple[str, ...], text: str) -> str:
        code, output = agent.output(_PLACE, argv, text, {"TC_LIB_DIR": TABLES})
        if code:
            raise Fell(f"the router refused {' '.join(argv)}: {output.strip()}")
        return output


@functools.cache  # a process sees one kernel
def _no_netem() -> str | None:
    tried = subprocess.run(
        [sys.executable, "-I", "-S", str(_PROBE)], capture_output=True, text=True, timeout=10, check=False
    )
    if tried.returncode == 0:
        return None
    return f"this kernel has no netem ({tried.stderr.strip() or 'tc failed'}); distributions have it as sch_netem"
