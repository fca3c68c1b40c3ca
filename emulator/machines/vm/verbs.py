"""What can be done to a guest that is up."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from emulator.errors import WrongState
from emulator.machines.ground import Ground, Placed
from emulator.machines.verbs import Verb
from emulator.machines.vm import disks, monitor, scripts
from emulator.machines.vm.channel import Channel
from emulator.machines.vm.cloning import DISK, Cloner, Mould
from emulator.machines.vm.ending import destroy
from emulator.machines.vm.hypervisor import SOCKETS, Hypervisor
from emulator.machines.vm.preparing import Preparing
from emulator.topology.resolved import Guest, Site

if TYPE_CHECKING:
    from libvirt import virConnect, virDomain

_HALT_WITHIN_S = 30.0
_CHANNEL_WITHIN_S = 10.0


class Handle:
    """One site's guest in one's hand, for as long as the block lasts."""

    def __init__(self, ground: Ground, placed: Placed, site: Site, guest: Guest) -> None:
        self._ground, self._placed, self._site, self._guest = ground, placed, site, guest
        self._hypervisor = Hypervisor(ground)
        self._kept = placed.folder / "snapshot"

    def do(self, verb: Verb) -> None:
        """Raises `WrongState` where the guest does not run, or nothing was kept of it."""
        doing: dict[Verb, Callable[[virConnect], None]] = {
            "pause": lambda to: self._domain(to).suspend(),
            "resume": lambda to: self._domain(to).resume(),
            "snapshot": self._snapshot,
            "roll-back": self._roll_back,
            "crash": self._crash,
            "reboot": self._reboot,
            "power-cut": lambda to: self._domain(to).destroy(),
        }
        with ExitStack() as after:
            connection = self._hypervisor.open()
            after.callback(connection.close)
            doing[verb](connection)

    def _domain(self, connection: "virConnect") -> "virDomain":
        import libvirt

        try:
            return connection.lookupByName(self._site.name)
        except libvirt.libvirtError as error:
            raise WrongState(f"the guest of {self._site.name} does not run; testbed up starts it again") from error

    def _channel(self) -> Channel:
        try:
            return Channel(self._hypervisor.inside(f"{SOCKETS}/{self._site.name}.agent"))
        except OSError as error:
            raise WrongState(f"the guest of {self._site.name} has no channel ({error})") from error

    def _snapshot(self, connection: "virConnect") -> None:
        """Memory and disk of one moment; the guest stands still meanwhile."""
        domain = self._domain(connection)
        draft = self._kept.with_name("snapshot.part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        domain.suspend()
        try:
            monitor.save(domain, draft / "state", memory=True)
            disks.copy(self._placed.folder / DISK, draft / DISK)
            shutil.rmtree(self._kept, ignore_errors=True)
            draft.rename(self._kept)
        finally:
            domain.resume()

    def _roll_back(self, connection: "virConnect") -> None:
        if not self._kept.exists():
            raise WrongState(f"nothing was kept of the guest of {self._site.name}; first: testbed machine … snapshot")
        destroy(self._hypervisor, [self._site.name])
        disks.copy(self._kept / DISK, self._placed.folder / DISK)
        mould = self._mould()
        cloner = Cloner(self._ground, self._hypervisor, connection)
        cloner.roll_back(self._placed, self._site, self._guest, mould, self._kept / "state")

    def _crash(self, connection: "virConnect") -> None:
        """The guest's kernel panics, and nothing brings it back by itself."""
        self._domain(connection)
        with self._channel() as channel:
            channel.run(scripts.PANIC, _CHANNEL_WITHIN_S, f"crashing the guest of {self._site.name}")

    def _reboot(self, connection: "virConnect") -> None:
        """Down in order, and up again from the golden guest, on the disk as it was left."""
        self._domain(connection)
        with self._channel() as channel:
            channel.run(scripts.HALT, _HALT_WITHIN_S, f"halting the guest of {self._site.name}")
        destroy(self._hypervisor, [self._site.name])
        cloner = Cloner(self._ground, self._hypervisor, connection)
        cloner.clone(self._placed, self._site, self._guest, self._mould())

    def _mould(self) -> Mould:
        return Preparing(self._ground, self._hypervisor).moulds([(self._placed.service, self._site, self._guest)])[0]
