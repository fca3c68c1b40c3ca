"""What the tests of virtual machines share: what guests are made from, and how a world's guests are looked at."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from door import Door

from emulator.machines.vm.channel import Channel

_ANSWERS_WITHIN_S = 60.0


def door_with_cache(folder: Path, cache: Path, topology: str) -> Door:
    """A home of its own whose cache, of images and golden guests most of all, is that of all tests."""
    home = folder / "home"
    home.mkdir()
    (home / "cache").symlink_to(cache)
    (folder / "topology.yaml").write_text(topology)
    return Door(home, folder / "topology.yaml", within_s=300)


def status(door: Door, world: str) -> dict[str, dict[str, Any]]:
    """The sites of a world as `status` tells them, by name."""
    return {site["name"]: site for site in json.loads(door("status", world, "--json").stdout)["sites"]}


def qemus(door: Door, world: str = "") -> dict[str, int]:
    """The QEMU processes of a home's worlds, or of one: guest → process number, as this machine counts."""
    below = str(door.home / "worlds" / world).encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile
            continue
        if b"qemu-system" in words[0] and below in b" ".join(words):
            name = next(word for before, word in pairwise(words) if before == b"-name")
            found[name.decode().split("=")[1].split(",")[0]] = int(process.name)
    return found


def ask(door: Door, guest: str, script: str) -> str:
    """What a shell script in a guest printed: by its channel, since SSH takes an emulated processor many seconds."""
    world = Path("/proc", str(qemus(door)[guest]), "root")
    with Channel(world / "run" / "vm" / f"{guest}.agent") as channel:
        return channel.run(script, _ANSWERS_WITHIN_S, f"asking {guest}")
