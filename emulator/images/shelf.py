"""The images that are kept: whole ones only, each in a folder that is named after its key."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.errors import CannotHere
from emulator.images.building import build
from emulator.images.definitions import definition, names
from emulator.images.keys import key_of
from emulator.worlds.home import home

Progress = Callable[[str, int, int], None]

# The clock of an emulated processor is steady enough, and nothing in a guest needs guarding against its own programs.
_QUICK = "quiet no_timer_check tsc=reliable random.trust_cpu=on mitigations=off nokaslr"
ARGUMENTS = f"console=ttyS0 panic=-1 net.ifnames=0 {_QUICK}"
"""The kernel's arguments. `panic=-1`: a guest that can't go on restarts at once, which whoever runs it sees."""


@dataclass(frozen=True)
class Image:
    """What a guest boots from. `root` is an ext4 file system that no guest writes to; `arguments` are the kernel's."""

    name: str
    key: str
    folder: Path
    kernel: Path
    initrd: Path
    root: Path
    arguments: str = ARGUMENTS


@dataclass(frozen=True)
class Kept:
    """One folder of the cache. `current`: `get` would answer it; otherwise an older description made it."""

    name: str
    key: str
    suite: str
    kernel: str
    bytes: int
    current: bool


def get(name: str, progress: Progress) -> Image:
    """The image of that name; built first where it is not there, which takes a minute or two.

    An interrupted build goes on after its last finished stage; two at once take turns. Raises `WrongInput` for a name
    that is not known, `CannotHere` where the image can't be built here.
    """
    wanted = definition(name)
    key = key_of(wanted)
    if not (_shelf() / key).is_dir():
        build(wanted, _shelf(), key, progress)
    return _image(name, key)


def _image(name: str, key: str) -> Image:
    folder = _shelf() / key
    return Image(name, key, folder, folder / "vmlinux", folder / "initrd", folder / "root.ext4")


def kept() -> list[Kept]:
    """All images in the cache, by name."""
    current = {_key_here(name) for name in names()}
    found = [_entry(path, path.parent.name in current) for path in _shelf().glob("[!.]*/image.json")]
    return sorted((entry for entry in found if entry), key=lambda entry: (entry.name, not entry.current, entry.key))


def _key_here(name: str) -> str:
    try:
        return key_of(definition(name))
    except CannotHere:
        return ""


def _entry(path: Path, current: bool) -> Kept | None:
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
    except OSError:  # removed meanwhile
        return None
    size = sum(file.stat().st_blocks * 512 for file in path.parent.glob("*") if file.is_file())
    return Kept(said["name"], path.parent.name, said["suite"], said["kernel"], size, current)


def remove(name: str) -> int:
    """Remove every image of that name, and what was begun of it; how many whole ones there were.

    What runs from them goes on: the kernel keeps open files.
    """
    doomed = [entry for entry in kept() if entry.name == name]
    for entry in doomed:
        gone = _shelf() / f".gone-{entry.key}-{os.getpid()}"
        (_shelf() / entry.key).rename(gone)
        shutil.rmtree(gone)
    return len(doomed)


def _shelf() -> Path:
    return home() / "cache" / "images"
