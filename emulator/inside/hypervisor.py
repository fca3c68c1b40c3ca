"""Becomes a world's own libvirt daemon: `python -I -S hypervisor.py FOLDER HOME`, run by the world's agent.

As root a libvirt daemon keeps its files in fixed places. It gets a mount namespace in which those are folders of the
world; only what it has found out about QEMU, which takes it a second, is shared through the home's cache.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from emulator.inside import syscalls
from emulator.inside.agent import overlay

PLACES = {"etc": "/etc/libvirt", "lib": "/var/lib/libvirt", "logs": "/var/log/libvirt"}
KNOWLEDGE = "/var/cache/libvirt"
_USER = "libvirt-qemu"
_DRIVER = "libvirt_driver_qemu.so"


def _make_places(folder: Path, home: Path) -> None:
    """Places that this system lacks are made in a layer over the folder that they belong in."""
    kept = os.open(home, os.O_PATH)
    for place in (*PLACES.values(), KNOWLEDGE):
        parent = str(Path(place).parent)
        if not Path(place).is_dir():
            overlay(parent, folder / f"over{parent.replace('/', '.')}", parent)
            Path(place).mkdir(exist_ok=True)  # there already, where a daemon of this world was killed
            if home.is_relative_to(parent):
                syscalls.mount(f"/proc/self/fd/{kept}", str(home), "none", syscalls.MS_BIND | syscalls.MS_REC)
    os.close(kept)


def _make_user(folder: Path) -> None:
    """The daemon asks for a user of its distribution's, which is root here, before it reads that none is wanted."""
    for name, line in (("passwd", f"{_USER}:x:0:0::/:/bin/false\n"), ("group", f"{_USER}:x:0:\n")):
        known = Path("/etc", name).read_text()
        if f"{_USER}:" not in known:
            (folder / name).write_text(known + line)
            syscalls.mount(str(folder / name), f"/etc/{name}", "none", syscalls.MS_BIND)


def _only_qemu(folder: Path) -> None:
    """Its drivers for networks, storage and devices each look around for a while, and nothing here asks them."""
    patterns = ("lib/*/libvirt", "lib64/libvirt", "lib/libvirt")
    places = (place for pattern in patterns for place in Path("/usr").glob(f"{pattern}/connection-driver/{_DRIVER}"))
    found = next(places, None)
    if found:
        drivers = folder / "drivers"
        drivers.mkdir(exist_ok=True)
        if not (drivers / found.name).exists():
            (drivers / found.name).symlink_to(found)
        os.environ["LIBVIRT_DRIVER_DIR"] = str(drivers)


def main(folder: Path, home: Path) -> None:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)
    _make_places(folder, home)
    _make_user(folder)
    for name, place in PLACES.items():
        syscalls.mount(str(folder / name), place, "none", syscalls.MS_BIND)
    syscalls.mount(str(home / "cache" / "libvirt"), KNOWLEDGE, "none", syscalls.MS_BIND)
    _only_qemu(folder)
    os.execvp("libvirtd", ["libvirtd", "--config", "/etc/libvirt/libvirtd.conf"])  # noqa: S606 - it is what we become


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
