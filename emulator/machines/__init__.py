"""What a PACS runs on: a registry of machine kinds by name. Nothing above this package knows which kind a site has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from emulator.machines.ground import Ground, Placed, Progress
from emulator.machines.namespace import NamespaceMachine
from emulator.machines.verbs import VERBS, Verb
from emulator.machines.vm import VmMachine
from emulator.places import Service
from emulator.topology.resolved import Site
from emulator.wiring import Wires

__all__ = ["VERBS", "Ground", "Machine", "Placed", "Progress", "Verb", "machine_of", "machine_under", "refuse"]


class Machine(Protocol):
    """One kind of machine. Its PACS must answer at `places.pacs_address(site.index)` on the site's LAN.

    Whatever is started ends with the world's init, and a started service's folder then has its process in `pid`.
    """

    kind: str

    def refuse(self, site: Site, services: Sequence[Service]) -> None:
        """Say what of a site can't stand on such a machine, before it is made. Raises `CannotHere`, `WrongInput`."""

    def told(self, cache: Path, site: Site) -> Mapping[str, Any]:
        """What there is to say of a site's machine besides its kind, as plain JSON."""

    def places(self, site: Site) -> tuple[str, ...]:
        """The places that it adds to the world."""

    def cable(self, site: Site) -> tuple[Wires, ...]:
        """Its cable to the site's LAN, as far as it is laid before a service starts."""

    def seen_from(self, place: str) -> str:
        """Where connections begin that are to be made from a machine's place."""

    def prepare(self, ground: Ground, sites: Sequence[Site]) -> None:
        """Begin with what takes time and needs none of the sites."""

    def start(self, ground: Ground, placed: Sequence[Placed]) -> None:
        """Start services, each on a machine of its own; they need not answer yet. Raises `Fell`, `CannotHere`."""

    def stop(self, ground: Ground, placed: Sequence[Placed]) -> None:
        """End services, those that run, and wait until they are gone."""

    def forget(self, placed: Placed) -> None:
        """Remove what a service that is stopped has written over its storage."""

    def command(self, ground: Ground, placed: Placed, argv: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """The place and the program that run a command where a service runs."""

    def ended(self, placed: Placed) -> bool:
        """Whether a service has ended on a machine that still runs."""

    def log(self, ground: Ground, placed: Placed) -> str:
        """What a service has said, its end."""

    def console(self, placed: Placed) -> str:
        """What its machine has said by itself, its end. Raises `WrongInput` for a machine without a console."""

    def do(self, ground: Ground, placed: Placed, verb: Verb) -> None:
        """Do something to the machine of a service. Raises `WrongState`, and `CannotHere` for what this kind can't."""


_kinds: dict[str, Machine] = {machine.kind: machine for machine in (NamespaceMachine(), VmMachine())}


def machine_of(site: Site) -> Machine:
    """The machine kind of a site."""
    return _kinds[site.machine]


def refuse(sites: Sequence[Site], services: Sequence[Service]) -> None:
    """Say what of some sites can't stand on their machines. Raises `CannotHere`, `WrongInput`."""
    at: dict[str, list[Service]] = {}
    for service in services:
        at.setdefault(service.place, []).append(service)
    for site in sites:
        machine_of(site).refuse(site, at.get(f"{site.name}/pacs", ()))


def machine_under(placed: Placed) -> Machine:
    """The machine kind that a service stands on; the hub's is a namespace."""
    return machine_of(placed.site) if placed.site else _kinds["namespace"]
