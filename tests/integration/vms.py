"""What the tests of virtual machines share: images that are made once, and how a world's guests are looked at."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from door import Door


def door_with_images(folder: Path, images: Path, topology: str) -> Door:
    """A home of its own whose images are those that were made for all tests."""
    home = folder / "home"
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "images").symlink_to(images)
    (folder / "topology.yaml").write_text(topology)
    return Door(home, folder / "topology.yaml", within_s=300)


def status(door: Door, world: str) -> dict[str, dict[str, Any]]:
    """The sites of a world as `status` tells them, by name."""
    return {site["name"]: site for site in json.loads(door("status", world, "--json").stdout)["sites"]}


def qemus(door: Door) -> dict[str, int]:
    """The QEMU processes of a home's worlds: guest → process number, as this machine counts."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile
            continue
        if b"qemu-system" in words[0] and str(door.home).encode() in b" ".join(words):
            name = next(word for before, word in pairwise(words) if before == b"-name")
            found[name.decode().split("=")[1].split(",")[0]] = int(process.name)
    return found
