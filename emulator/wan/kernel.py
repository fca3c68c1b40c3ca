"""What a WAN kernel must offer, and which of them this machine has."""

from typing import Protocol

from emulator.errors import CannotHere, WrongInput
from emulator.inside.init import WORLD
from emulator.reach import Agent
from emulator.topology.resolved import Topology
from emulator.wiring import Wires

TABLES = f"{WORLD}/tables"
"""Where a router's `tc` finds netem's tables of delays, as processes of the world see it."""


class WanKernel(Protocol):
    """A router. `device` is the interface by which every packet leaves it; `netem`: whether it does to packets what a
    link says, beyond its rate.
    """

    name: str
    device: str
    netem: bool

    def why_not(self) -> str | None:
        """None where this machine can run it, else what is missing and how to get it."""

    def fitted(self, topology: Topology) -> Topology:
        """The topology as a world on this kernel has it. Raises `CannotHere` where it can't have it at all."""

    def places(self) -> tuple[str, ...]:
        """Places that it needs besides the world's own."""

    def cable(self) -> tuple[Wires, ...]:
        """Its cable to the WAN's bridge."""

    def start(self, agent: Agent, folder: str) -> None:
        """Start it; it need not be ready yet."""

    def wait(self, agent: Agent, folder: str) -> None:
        """Wait until it takes orders; `Fell` with its last words if it doesn't."""

    def run(self, agent: Agent, argv: tuple[str, ...], text: str) -> str:
        """Feed a program in the router, which finds netem's tables; what it printed. Raises `Fell` when it fails."""


_kernels: dict[str, WanKernel] = {}


def register(kernel: WanKernel) -> None:
    _kernels[kernel.name] = kernel


def available() -> dict[str, str | None]:
    """Each kind of WAN kernel, in order of preference: None where it can run, else why not."""
    return {name: kernel.why_not() for name, kernel in _kernels.items()}


def choose(name: str | None) -> WanKernel:
    """The kernel of that name, or the first that this machine can run. Raises `WrongInput` or `CannotHere`."""
    if name is not None and name not in _kernels:
        raise WrongInput(f"--wan: '{name}' is no WAN kernel; expected one of {', '.join(_kernels)}")
    reasons = {}
    for candidate in [name] if name else list(_kernels):
        reasons[candidate] = _kernels[candidate].why_not()
        if reasons[candidate] is None:
            return _kernels[candidate]
    raise CannotHere("no WAN kernel: " + "; ".join(f"{kind}: {why}" for kind, why in reasons.items()))
