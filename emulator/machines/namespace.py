"""The embedded default: a PACS as a process in a network namespace on its site's LAN."""

from emulator.places import Service, pacs_address
from emulator.reach import Agent
from emulator.topology.resolved import Site
from emulator.wiring import Step, host_on_lan, ip_batch, lan_cable


class NamespaceMachine:
    kind = "namespace"

    def places(self, site: Site) -> tuple[str, ...]:
        return (f"{site.name}/pacs",)

    def cable(self, site: Site) -> tuple[Step, ...]:
        place = f"{site.name}/pacs"
        gateway = ip_batch(site.name, lan_cable("pacs", 2, site), ("pacs",))
        return gateway, host_on_lan(place, pacs_address(site.index), site)

    def start(self, agent: Agent, service: Service, folder: str) -> None:
        """Mount the service's copy-on-write layer, if it has one, and start it."""
        if service.overlay is not None:
            target = service.overlay.target.replace("@FOLDER@", folder)
            agent.overlay(service.overlay.lower, f"{folder}/upper", f"{folder}/work", target)
        argv = [word.replace("@FOLDER@", folder) for word in service.argv]
        agent.spawn(service.place, argv, folder, {"TMPDIR": folder, **dict(service.env)})
