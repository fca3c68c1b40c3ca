"""The embedded default: a PACS as a process in a network namespace on its site's LAN."""

from collections.abc import Sequence
from dataclasses import replace

from emulator.places import Service, pacs_address
from emulator.reach import Agent, Launch
from emulator.topology.resolved import Site
from emulator.wiring import Wires, host_on_lan, lan_cable


class NamespaceMachine:
    kind = "namespace"

    def places(self, site: Site) -> tuple[str, ...]:
        return (f"{site.name}/pacs",)

    def cable(self, site: Site) -> tuple[Wires, ...]:
        place = f"{site.name}/pacs"
        gateway = Wires(site.name, (lan_cable("pacs", 2, site),), ("pacs",))
        return gateway, host_on_lan(place, pacs_address(site.index), site)

    def start(self, agent: Agent, services: Sequence[tuple[Service, str]]) -> None:
        """Mount each service's copy-on-write layer, if it has one, and start it."""
        agent.spawn([_launch(service, folder) for service, folder in services])


def _launch(service: Service, folder: str) -> Launch:
    argv = tuple(word.replace("@FOLDER@", folder) for word in service.argv)
    layer = service.overlay and replace(service.overlay, target=service.overlay.target.replace("@FOLDER@", folder))
    return Launch(service.place, argv, folder, {"TMPDIR": folder, **dict(service.env)}, overlay=layer)
