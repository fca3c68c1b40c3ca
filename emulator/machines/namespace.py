"""The embedded default: a PACS as a process in a network namespace on its site's LAN."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emulator.errors import CannotHere, WrongInput, WrongState
from emulator.machines.ground import Ground, Placed
from emulator.machines.layers import forget_layer, write_files
from emulator.machines.verbs import Verb
from emulator.places import Overlay, Service, pacs_address
from emulator.reach import Launch
from emulator.topology.resolved import Site
from emulator.wiring import Wires, host_on_lan, lan_cable

_LAST_LINES = 15


class NamespaceMachine:
    kind = "namespace"

    def refuse(self, site: Site, services: Sequence[Service]) -> None:
        """Nothing: whatever this system has can run."""

    def told(self, cache: Path, site: Site) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def places(self, site: Site) -> tuple[str, ...]:
        return (f"{site.name}/pacs",)

    def cable(self, site: Site) -> tuple[Wires, ...]:
        place = f"{site.name}/pacs"
        gateway = Wires(site.name, (lan_cable("pacs", 2, site),), ("pacs",))
        return gateway, host_on_lan(place, pacs_address(site.index), site)

    def seen_from(self, place: str) -> str:
        return place

    def prepare(self, ground: Ground, sites: Sequence[Site]) -> None:
        """Nothing."""

    def start(self, ground: Ground, placed: Sequence[Placed]) -> None:
        """Write each service's files, mount its copy-on-write layer, if it has one, and start it."""
        for one in placed:
            write_files(one.folder, one.service)
        ground.agent.spawn([launch(one) for one in placed])

    def stop(self, ground: Ground, placed: Sequence[Placed]) -> None:
        layers = [layer.target for one in placed if (layer := _layer(one))]
        ground.agent.stop([str(one.folder) for one in placed], layers)

    def forget(self, placed: Placed) -> None:
        forget_layer(placed.folder)

    def command(self, ground: Ground, placed: Placed, argv: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        return placed.service.place, tuple(argv)

    def ended(self, placed: Placed) -> bool:
        """Never: the process of its service is all that there is of it."""
        return False

    def log(self, ground: Ground, placed: Placed) -> str:
        said = (placed.folder / "log").read_text(errors="replace").splitlines()
        return "\n".join(said[-_LAST_LINES:])

    def console(self, placed: Placed) -> str:
        raise WrongInput(f"{placed.service.place} is a namespace, which has no console; see testbed logs")

    def do(self, ground: Ground, placed: Placed, verb: Verb) -> None:
        """A namespace has no kernel of its own: what a machine's end means is that its processes end."""
        if verb in ("snapshot", "roll-back"):
            raise CannotHere(f"{placed.service.place} is a namespace, which can't {verb}; a machine: vm can")
        if not ground.agent.alive([str(placed.folder)]):
            raise WrongState(f"{placed.service.name} does not run; testbed up starts it again")
        if verb == "reboot":
            self.stop(ground, [placed])
            self.start(ground, [placed])
            return
        group = (placed.folder / "pid").read_text().split()[0]
        ground.agent.output("wan", ("kill", f"-{_SIGNALS[verb]}", "--", f"-{group}"))


_SIGNALS = {"pause": "STOP", "resume": "CONT", "crash": "KILL", "power-cut": "KILL"}


def launch(placed: Placed) -> Launch:
    """How a service is started from its folder."""
    service, folder = placed.service, str(placed.folder)
    argv = tuple(word.replace("@FOLDER@", folder) for word in service.argv)
    return Launch(service.place, argv, folder, {"TMPDIR": folder, **dict(service.env)}, overlay=_layer(placed))


def _layer(placed: Placed) -> Overlay | None:
    layer = placed.service.overlay
    return layer and replace(layer, target=layer.target.replace("@FOLDER@", str(placed.folder)))
