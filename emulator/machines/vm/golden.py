"""The golden guest: booted once, saved when its service waits for its configuration, and cloned from then on.

Its memory is one file, which every clone maps privately: what none of them writes is there once. Beside it lies the
rest of its state, half a megabyte.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.errors import Fell
from emulator.machines.vm import disks, monitor, scripts, shelf
from emulator.machines.vm.channel import Channel
from emulator.machines.vm.domain import Hardware, Wanted, xml
from emulator.machines.vm.hypervisor import SOCKETS, Hypervisor
from emulator.topology.resolved import Disk

if TYPE_CHECKING:
    from libvirt import virConnect

_FORMAT = 2  # of what is kept, and of what the guest has been told before it is saved
_NAME = "golden"
_BOOT_WITHIN_S = 120.0
_START_WITHIN_S = 120.0
_CONSOLE_BYTES = 2000


@dataclass(frozen=True)
class Recipe:
    """What a golden guest is: all that decides its bytes. `image` is the image's key, `root` its file system; `held` is
    the file of the service that it waits for.
    """

    image: str
    root: Path
    hardware: Hardware
    qemu: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    held: str

    @property
    def key(self) -> str:
        """The name in the cache."""
        plain = json.dumps({**asdict(self), "format": _FORMAT}, default=str, sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Golden:
    """A saved guest."""

    memory: Path
    state: Path


def golden(recipe: Recipe, cache: Path, hypervisor: Hypervisor, told: Callable[[str], None]) -> Golden:
    """The golden guest of a recipe, booted where the cache lacks it. Raises `Fell` with its console's last lines."""

    def make(draft: Path) -> None:
        told(_why(recipe, entry.parent))
        _boot(recipe, draft, hypervisor)

    entry = cache / "goldens" / recipe.key
    kept = shelf.kept(entry, make)
    return Golden(kept / "memory", kept / "state")


def _why(recipe: Recipe, cache: Path) -> str:
    """Another QEMU's state is of no use: that is worth a word."""
    others = (json.loads(path.read_text()) for path in cache.glob("*/golden.json"))
    if any(
        (one["image"], one["argv"]) == (recipe.image, list(recipe.argv)) and one["qemu"] != recipe.qemu
        for one in others
    ):
        return "QEMU has changed: booting the golden guest anew"
    return "booting the golden guest"


def _boot(recipe: Recipe, draft: Path, hypervisor: Hypervisor) -> None:
    draft.mkdir()
    own, layer = draft / "own", draft / "layer"
    for path in (own, layer):
        disks.nominal(path)
    wanted = Wanted(
        name=_NAME,
        hardware=recipe.hardware,
        disks=(recipe.root, own, layer),
        own=Disk(disks.NOMINAL_BYTES),
        sockets=SOCKETS,
        console=draft / "console",
        tap=_NAME,
        memory=draft / "memory",
        shared=True,
    )
    connection = hypervisor.open()
    try:
        _save(recipe, wanted, draft, connection, hypervisor)
    finally:
        connection.close()
    for path in (own, layer):
        path.unlink()
    _to_disk(draft / "memory")
    kept = replace(recipe, root=Path(recipe.root.name))
    (draft / "golden.json").write_text(json.dumps(asdict(kept), default=str, indent=1))


def _save(recipe: Recipe, wanted: Wanted, draft: Path, connection: "virConnect", hypervisor: Hypervisor) -> None:
    domain = connection.createXML(xml(wanted), 0)
    try:
        with Channel(hypervisor.inside(f"{SOCKETS}/{_NAME}.agent")) as channel:
            channel.run("true", _BOOT_WITHIN_S, "booting the golden guest")
            script = scripts.start_held(recipe.argv, dict(recipe.env), recipe.held)
            channel.run(script, _START_WITHIN_S, "starting the service in the golden guest")
            domain.suspend()
            monitor.save(domain, draft / "state")
    except Fell as error:
        raise Fell(f"{error}\nIts console's last lines:\n{console(draft / 'console')}") from error
    finally:
        domain.destroy()


def console(path: Path) -> str:
    """The end of what a guest's console has said."""
    try:
        return path.read_text(errors="replace")[-_CONSOLE_BYTES:]
    except OSError:
        return ""


def _to_disk(path: Path) -> None:
    """The memory was written through a mapping: after a power cut it must not be half there under its name."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
