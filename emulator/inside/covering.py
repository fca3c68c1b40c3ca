"""Another disk over a service's storage, for faults of disks: what lies below is never touched, and is back at the end.

empty     nothing on it
full      all that was there, and room for so many bytes more
damaged   all that was there, with every other page of its SQLite databases overwritten
"""

import os
from pathlib import Path
from typing import Any

from emulator.inside import syscalls

_PAGE = 4096
_MAGIC = b"SQLite format 3\0"
_SPARE_BYTES = 1 << 20  # folders and the overlay's own files
_BLOCK = 1 << 16

Request = dict[str, Any]


def cover(request: Request, _fds: list[int]) -> Request:
    """Lay such a disk over `target`; it keeps what is written in memory, at `room`. `tag` names its mounts."""
    target, room, tag = Path(request["target"]), Path(request["room"]), request["tag"]
    if request["what"] == "empty":
        syscalls.mount(tag, str(target), "tmpfs", 0, "mode=0700")
        return {}
    files = [file for file in target.iterdir() if file.is_file()]
    room.mkdir(exist_ok=True)
    size = sum(file.stat().st_size for file in files) + request["free"] + _SPARE_BYTES
    syscalls.mount(tag, str(room), "tmpfs", 0, f"mode=0700,size={size}")
    _overlay(target, room, tag)
    for file in files:  # onto the new disk, where their database writes
        with file.open("r+b"):
            pass
    return _damage(files) if request["what"] == "damaged" else _fill(room, request["free"])


def _overlay(target: Path, room: Path, tag: str) -> None:
    for folder in ("upper", "work"):
        (room / folder).mkdir()
    options = f"lowerdir={target},upperdir={room}/upper,workdir={room}/work"
    try:
        syscalls.mount(tag, str(target), "overlay", 0, options)
    except OSError:
        syscalls.mount(tag, str(target), "overlay", 0, options + ",userxattr")


def _fill(room: Path, free: int) -> Request:
    """Ballast, until so little is left."""
    with (room / "ballast").open("wb", buffering=0) as ballast:
        while (left := _free(room) - free) > 0:
            ballast.write(bytes(min(left, _BLOCK)))
    return {}


def _free(room: Path) -> int:
    found = os.statvfs(room)
    return found.f_bavail * found.f_frsize


def _damage(files: list[Path]) -> Request:
    databases = [file for file in files if file.open("rb").read(len(_MAGIC)) == _MAGIC]
    for file in databases:
        with file.open("r+b") as database:
            for at in range(_PAGE, file.stat().st_size, 2 * _PAGE):
                database.seek(at)
                database.write(b"\xff" * _PAGE)
    return {} if databases else {"error": "this PACS keeps no SQLite database in its storage"}


def uncover(request: Request, _fds: list[int]) -> Request:
    """Take the disk away, as far as it is there."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        source, target = line.split()[:2]
        if source == request["tag"]:
            syscalls.unmount(target)
    return {}
