"""What a PACS runs on: a registry of machine kinds by name. Nothing above this package knows which kind a site has."""

from typing import Protocol

from emulator.errors import CannotHere
from emulator.machines.namespace import NamespaceMachine
from emulator.places import Service
from emulator.reach import Agent
from emulator.topology.resolved import Site
from emulator.wiring import Step


class Machine(Protocol):
    """One kind of machine. Its PACS must answer at `places.pacs_address(site.index)` on the site's LAN."""

    kind: str

    def places(self, site: Site) -> tuple[str, ...]:
        """The places that it adds to the world."""

    def cable(self, site: Site) -> tuple[Step, ...]:
        """Its cable to the site's LAN."""

    def start(self, agent: Agent, service: Service, folder: str) -> None:
        """Start a service on it; the service's files lie in `folder`."""


_kinds: dict[str, Machine] = {machine.kind: machine for machine in (NamespaceMachine(),)}


def machine_of(site: Site) -> Machine:
    """The machine kind of a site. Raises `CannotHere` for a kind that this version doesn't have."""
    if site.machine not in _kinds:
        raise CannotHere(
            f"site '{site.name}': machine '{site.machine}' is not supported; use one of {', '.join(_kinds)}"
        )
    return _kinds[site.machine]
