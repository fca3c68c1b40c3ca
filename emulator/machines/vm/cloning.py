"""One site's guest: resumed from the golden one, on the site's LAN, with an identity and disks of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.errors import Fell
from emulator.inside.processes import birth
from emulator.machines.ground import Ground, Placed
from emulator.machines.vm import disks, identity, monitor, scripts
from emulator.machines.vm.channel import Channel
from emulator.machines.vm.domain import Hardware, Wanted, xml
from emulator.machines.vm.golden import Golden, console
from emulator.machines.vm.hypervisor import SOCKETS, Hypervisor
from emulator.machines.vm.keys import authorized, host_key
from emulator.orders import Change, Move
from emulator.topology.resolved import Guest, Site
from emulator.wiring import LAN_MTU, Wires

if TYPE_CHECKING:
    from libvirt import virConnect, virDomain

PAUSED = 1  # VIR_DOMAIN_START_PAUSED
DISK, CONSOLE = "disk", "console"
"""What a guest has in its service's folder: its own disk, and what its console has said."""
_SETTLE_WITHIN_S = 120.0
_PROCESSES = "run/libvirt/qemu"


@dataclass(frozen=True)
class Mould:
    """What a guest is made from: the golden guest and what it was, and the baked storage of its service."""

    golden: Golden
    hardware: Hardware
    root: Path
    layer: Path
    held: str


class Cloner:
    """Makes the guests of one world. Thread-safe."""

    def __init__(self, ground: Ground, hypervisor: Hypervisor, connection: "virConnect") -> None:
        self._ground = ground
        self._hypervisor = hypervisor
        self._connection = connection
        self._hosts = (ground.folder / "hosts").read_text()
        self._authorized = authorized(ground.folder)

    def clone(self, placed: Placed, site: Site, guest: Guest, mould: Mould) -> None:
        """Start a site's guest; its service begins to answer. Raises `Fell` with its console's last lines."""
        placed.folder.mkdir(parents=True, exist_ok=True)
        if not (placed.folder / DISK).exists():
            disks.own(placed.folder / DISK, guest.disk.size_bytes, self._ground.cache)
        with self._waiting(placed, site, guest, mould) as (domain, channel):
            monitor.load(domain, mould.golden.state)
            self._plug(site)
            domain.resume()
            channel.run(
                self._settling(placed, site, mould.held), _SETTLE_WITHIN_S, f"settling the guest of {site.name}"
            )

    def roll_back(self, placed: Placed, site: Site, guest: Guest, mould: Mould, state: Path) -> None:
        """Resume a site's guest from a state that was saved with its memory; its disk must be that moment's."""
        with self._waiting(placed, site, guest, mould) as (domain, channel):
            monitor.load(domain, state, memory=True)
            self._plug(site)
            domain.resume()
            channel.run(scripts.set_clock(), _SETTLE_WITHIN_S, f"setting the clock of the guest of {site.name}")

    @contextmanager
    def _waiting(self, placed: Placed, site: Site, guest: Guest, mould: Mould) -> Iterator[tuple["virDomain", Channel]]:
        """A guest that waits for its state, with its channel; it stays when the block ends well.

        The channel is there before the guest wakes up: to it, nobody has ever hung up.
        """
        (placed.folder / CONSOLE).unlink(missing_ok=True)
        domain = self._connection.createXML(xml(self._wanted(placed, site, guest, mould)), PAUSED)
        try:
            with Channel(self._hypervisor.inside(f"{SOCKETS}/{site.name}.agent")) as channel:
                yield domain, channel
            (placed.folder / "pid").write_text(self._process(site.name))
        except BaseException as error:
            domain.destroy()
            if isinstance(error, Fell):
                said = console(placed.folder / CONSOLE)
                raise Fell(
                    f"the guest of {site.name} did not come up: {error}\nIts console's last lines:\n{said}"
                ) from error
            raise

    def _wanted(self, placed: Placed, site: Site, guest: Guest, mould: Mould) -> Wanted:
        return Wanted(
            name=site.name,
            hardware=mould.hardware,
            disks=(mould.root, placed.folder / DISK, mould.layer),
            own=guest.disk,
            sockets=SOCKETS,
            console=placed.folder / CONSOLE,
            tap=f"t{site.index}",
            memory=mould.golden.memory,
            shared=False,
        )

    def _plug(self, site: Site) -> None:
        """libvirt has made the tap beside the daemon; open as it is, it goes to the site."""
        port = Change("pacs", mtu=LAN_MTU, bridge="lan", up=True)
        moved = Wires("wan", (Move(f"t{site.index}", site.name, "pacs"),))
        self._ground.agent.configure([moved, Wires(site.name, (port,), ("pacs",))])

    def _settling(self, placed: Placed, site: Site, held: str) -> str:
        service = placed.service
        told = identity.lines(site, host_key(self._ground.folder, site), self._authorized, self._hosts)
        target = scripts.placed(service.overlay.target) if service.overlay else None
        files = {name: scripts.placed(text) for name, text in service.files}
        return scripts.settle(told, files, held, target)

    def _process(self, name: str) -> str:
        """Number and birth of a guest's process, as the world counts them."""
        pid = int(self._hypervisor.inside(f"{_PROCESSES}/{name}.pid").read_text())
        return f"{pid} {birth(pid, self._hypervisor.inside('proc'))}"
