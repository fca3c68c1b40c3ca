"""The machine kind `vm`."""

import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emulator.errors import CannotHere, WrongInput
from emulator.machines.ground import Ground, Placed
from emulator.machines.verbs import Verb
from emulator.places import Service, pacs_address
from emulator.topology.machine import guest as usual_guest
from emulator.topology.resolved import Guest, Site
from emulator.wiring import Wires

_AT_ONCE = 4  # two processors start fifty no faster with more
_SSH_PORT = 22
_SSHD_WITHIN_S = 30.0
_SSH_OPTIONS = (
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=60",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "StrictHostKeyChecking=yes",
)


class VmMachine:
    kind = "vm"

    def refuse(self, site: Site, services: Sequence[Service]) -> None:
        """One service that its file tells all is what a golden guest can be made with."""
        from emulator.machines.vm import hypervisor, preparing

        hypervisor.prove()
        if len(services) != 1 or preparing.held(services[0]) is None:
            names = ", ".join(service.name for service in services)
            raise WrongInput(
                f"site '{site.name}': machine vm, with PACS '{site.pacs.profile}' ({names}): a virtual machine runs "
                "one orthanc, without a database or a gateway beside it; give the site machine: namespace or "
                "another PACS"
            )
        if _guest(site).cpu is not None:
            raise CannotHere(
                f"site '{site.name}': machine: cpu: this version can't bound a guest's processor time; take it out"
            )

    def told(self, cache: Path, site: Site) -> Mapping[str, Any]:
        """Its image, what it has, and what it runs on (null: nobody has tried here)."""
        from emulator.machines.vm import accelerator

        return {**asdict(_guest(site)), "accelerator": accelerator.known(cache)}

    def places(self, site: Site) -> tuple[str, ...]:
        """None: it has a kernel of its own."""
        return ()

    def cable(self, site: Site) -> tuple[Wires, ...]:
        """None: its tap comes with the guest."""
        return ()

    def seen_from(self, place: str) -> str:
        """The site's gateway, which is on the same LAN."""
        return place.partition("/")[0]

    def prepare(self, ground: Ground, sites: Sequence[Site]) -> None:
        """Start the world's libvirt daemon."""
        from emulator.machines.vm.hypervisor import Hypervisor

        if sites:
            Hypervisor(ground).begin()

    def start(self, ground: Ground, placed: Sequence[Placed]) -> None:
        if not placed:
            return
        from emulator.machines.vm.cloning import Cloner
        from emulator.machines.vm.hypervisor import Hypervisor
        from emulator.machines.vm.preparing import Preparing

        hypervisor = Hypervisor(ground)
        moulds = Preparing(ground, hypervisor).moulds([(one.service, _site(one), _guest(_site(one))) for one in placed])
        connection = hypervisor.open()
        try:
            cloner = Cloner(ground, hypervisor, connection)
            with ThreadPoolExecutor(_AT_ONCE) as hands:
                begun = [
                    hands.submit(cloner.clone, one, _site(one), _guest(_site(one)), mould)
                    for one, mould in zip(placed, moulds, strict=True)
                ]
                try:
                    for done, job in enumerate(begun, 1):
                        job.result()
                        ground.progress("virtual machines", done, len(begun))
                except BaseException:
                    hands.shutdown(wait=True, cancel_futures=True)
                    raise
        finally:
            connection.close()

    def stop(self, ground: Ground, placed: Sequence[Placed]) -> None:
        if not placed:
            return
        from emulator.machines.vm.ending import destroy
        from emulator.machines.vm.hypervisor import Hypervisor

        destroy(Hypervisor(ground), [_site(one).name for one in placed])
        for one in placed:
            (one.folder / "pid").unlink(missing_ok=True)

    def forget(self, placed: Placed) -> None:
        from emulator.machines.vm.cloning import DISK

        (placed.folder / DISK).unlink(missing_ok=True)

    def command(self, ground: Ground, placed: Placed, argv: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """By SSH from the gateway, whose server starts with the first one who asks."""
        from emulator.machines.vm import keys, scripts
        from emulator.machines.vm.channel import Channel
        from emulator.machines.vm.hypervisor import SOCKETS, Hypervisor

        site = _site(placed)
        with Channel(Hypervisor(ground).inside(f"{SOCKETS}/{site.name}.agent")) as channel:
            channel.run(scripts.SSHD, _SSHD_WITHIN_S, f"starting the SSH server of {site.name}")
        ground.agent.wait_ready(site.name, pacs_address(site.index), _SSH_PORT, None, _SSHD_WITHIN_S, "")
        folder = keys.folder_of(ground.folder)
        (folder / "known_hosts").write_text(keys.known_hosts(ground.folder))
        files = ("-i", str(folder / "key"), "-o", f"UserKnownHostsFile={folder / 'known_hosts'}")
        called = ("ssh", *_SSH_OPTIONS, *files, f"root@{pacs_address(site.index)}", shlex.join(argv))
        return site.name, called

    def ended(self, placed: Placed) -> bool:
        """Its console says so: no guest is disturbed by the question, and one that is paused can't delay it."""
        from emulator.machines.vm.cloning import CONSOLE
        from emulator.machines.vm.golden import console
        from emulator.machines.vm.scripts import ENDED

        return ENDED in console(placed.folder / CONSOLE)

    def log(self, ground: Ground, placed: Placed) -> str:
        """What the guest can still say of it; where it can't, why."""
        from emulator.errors import Fell
        from emulator.machines.vm import scripts
        from emulator.machines.vm.channel import Channel
        from emulator.machines.vm.hypervisor import SOCKETS, Hypervisor

        try:
            with Channel(Hypervisor(ground).inside(f"{SOCKETS}/{_site(placed).name}.agent")) as channel:
                return channel.run(scripts.LOG, 10.0, "reading the service's log")
        except (OSError, Fell) as error:
            return f"{error}\nThe console's last lines:\n{self.console(placed)}"

    def console(self, placed: Placed) -> str:
        from emulator.machines.vm.cloning import CONSOLE
        from emulator.machines.vm.golden import console

        return console(placed.folder / CONSOLE)

    def do(self, ground: Ground, placed: Placed, verb: Verb) -> None:
        from emulator.machines.vm.verbs import Handle

        site = _site(placed)
        Handle(ground, placed, site, _guest(site)).do(verb)


def _site(placed: Placed) -> Site:
    if placed.site is None:
        raise TypeError(f"{placed.service.name} stands at no site")
    return placed.site


def _guest(site: Site) -> Guest:
    return site.guest or usual_guest()
