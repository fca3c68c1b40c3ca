"""What the PACS of one world run on, whatever that is: reached into, asked, handled."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator import events
from emulator.errors import WrongInput, WrongState
from emulator.machines import Ground, Placed, Verb, machine_of, machine_under
from emulator.reach import Agent
from emulator.topology.resolved import Site, Topology
from emulator.worlds.home import home, locked
from emulator.worlds.record import WorldRecord, by_name, service_folder

_PATIENCE_S = 10.0


class Machines:
    """The machines of the world in `folder`."""

    def __init__(self, folder: Path, topology: Topology, record: WorldRecord, agent: Agent) -> None:
        self._sites = {site.name: site for site in topology.sites}
        self._services = by_name(record.services)
        self._folder = folder
        self._ground = Ground(folder, home() / "cache", agent, lambda _what, _done, _of: None)

    def command(self, place: str, argv: Sequence[str]) -> tuple[str, Sequence[str]]:
        """The network and the program that run a command at a place."""
        if place not in self._services:
            return place, argv
        placed = self._placed(place)
        return machine_under(placed).command(self._ground, placed, argv)

    def seen_from(self, place: str) -> str:
        """The network where connections from a place begin."""
        name, _, role = place.partition("/")
        return machine_of(self._sites[name]).seen_from(place) if role == "pacs" else place

    def told(self, site: Site) -> Mapping[str, Any]:
        """What there is to say of a site's machine besides its kind, as plain JSON."""
        return machine_of(site).told(self._ground.cache, site)

    def ended(self, service: str) -> bool:
        """Whether a service has ended on a machine that still runs."""
        placed = self._placed(service)
        return machine_under(placed).ended(placed)

    def log(self, site: str) -> str:
        """The end of what a site's PACS has said. Raises `WrongState` where it has none."""
        placed = self._archive(site)
        return machine_under(placed).log(self._ground, placed)

    def console(self, site: str) -> str:
        """The end of what the console of a site's machine has said. Raises `WrongInput` where it has no console."""
        placed = self._archive(site)
        return machine_under(placed).console(placed)

    def do(self, site: str, verb: Verb) -> None:
        """Do something to the machine of a site's PACS. Raises `WrongState`, `CannotHere`, `WorldBusy`."""
        placed = self._archive(site)
        with locked(self._folder.name, _PATIENCE_S):
            machine_under(placed).do(self._ground, placed, verb)
        events.write(self._folder, "machine", site=site, verb=verb)

    def virsh(self, argv: Sequence[str]) -> tuple[str, Sequence[str]]:
        """The place and the program that speak to the world's libvirt daemon, once it answers. Raises `WrongState`."""
        from emulator.machines.vm import hypervisor

        if not any(site.machine == "vm" for site in self._sites.values()):
            raise WrongState(f"world '{self._folder.name}' has no virtual machines, so no libvirt daemon")
        hypervisor.Hypervisor(self._ground).open().close()
        return "wan", ("virsh", "--connect", hypervisor.URI, *argv)

    def _archive(self, site: str) -> Placed:
        if site not in self._sites:
            raise WrongInput(f"world '{self._folder.name}' has no site '{site}'; sites: {', '.join(self._sites)}")
        if f"{site}/pacs" not in self._services:
            raise WrongState(f"site '{site}' of world '{self._folder.name}' has no PACS")
        return self._placed(f"{site}/pacs")

    def _placed(self, name: str) -> Placed:
        service = self._services[name]
        return Placed(service, service_folder(self._folder, name), self._sites.get(service.site))
