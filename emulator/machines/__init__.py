"""What a PACS runs on: a registry of machine kinds by name. Nothing above this package knows which kind a site has."""

from collections.abc import Sequence
from typing import Protocol

from emulator.errors import CannotHere
from emulator.machines.namespace import NamespaceMachine
from emulator.places import Service
from emulator.reach import Agent
from emulator.topology.resolved import Site
from emulator.wiring import Wires


class Machine(Protocol):
    """One kind of machine. Its PACS must answer at `places.pacs_address(site.index)` on the site's LAN."""

    kind: str

    def places(self, site: Site) -> tuple[str, ...]:
        """The places that it adds to the world."""

    def cable(self, site: Site) -> tuple[Wires, ...]:
        """Its cable to the site's LAN."""

    def start(self, agent: Agent, services: Sequence[tuple[Service, str]]) -> None:
        """Start services, each on a machine of this kind; the second of each pair is the folder with its files."""


_kinds: dict[str, Machine] = {machine.kind: machine for machine in (NamespaceMachine(),)}


def machine_of(site: Site) -> Machine:
    """The machine kind of a site. Raises `CannotHere` for a kind that this version doesn't have."""
    if site.machine not in _kinds:
        raise CannotHere(
            f"site '{site.name}': machine '{site.machine}' is not supported; use one of {', '.join(_kinds)}"
        )
    return _kinds[site.machine]
