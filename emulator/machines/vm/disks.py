"""What lies behind a guest's disks: a baked folder as a read-only file system, and an empty one of the site's own."""

import errno
import fcntl
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from emulator.errors import CannotHere
from emulator.machines.vm import shelf

NOMINAL_BYTES = 64 * 2**30
"""How large the golden guest thinks that its disks are, and every clone of it: no file system is larger."""
_BLOCK = 4096
_INODE_BYTES = 256
_SPARE_BYTES = 8 * 2**20
_FICLONE = 0x40049409
_MAKE_WITHIN_S = 600


def nominal(path: Path) -> None:
    """A disk with nothing on it, for a golden guest."""
    with path.open("wb") as file:
        file.truncate(NOMINAL_BYTES)


def layer(folder: str | None, cache: Path) -> Path:
    """A baked folder as an ext4 image, made once: what is baked never changes under its path (None: nothing is on it).

    Raises `CannotHere`.
    """
    if folder is None:
        return shelf.kept(cache / "layers" / "none", nominal)
    name = hashlib.sha256(folder.encode()).hexdigest()[:24]
    return shelf.kept(cache / "layers" / f"{name}.ext4", lambda draft: _pack(Path(folder), draft))


def _pack(folder: Path, draft: Path) -> None:
    files = [path for path in folder.rglob("*") if not path.is_symlink()]
    blocks = sum(path.stat().st_size // _BLOCK + 2 for path in files)
    inodes = len(files) + 64
    size = round(1.05 * blocks * _BLOCK) + inodes * _INODE_BYTES + _SPARE_BYTES
    _mke2fs(draft, size, "-O", "^has_journal", "-N", str(inodes), "-d", str(folder))


def _mke2fs(draft: Path, size: int, *arguments: str) -> None:
    with draft.open("wb") as file:
        file.truncate(size - size % _BLOCK)
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", str(_BLOCK), "-m", "0", *arguments, str(draft)]
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    try:
        made = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            timeout=_MAKE_WITHIN_S,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise CannotHere("virtual machines need mke2fs: apt-get install e2fsprogs") from error
    if made.returncode:
        raise CannotHere(f"mke2fs could not make {draft}: {made.stderr.strip()[-400:]}")


def own(path: Path, size: int, cache: Path) -> None:
    """A site's own disk of `size` bytes: a copy of an empty one that is made once, holes and all."""
    copy(shelf.kept(cache / "disks" / f"{size}.ext4", lambda draft: _empty(draft, size)), path)


def copy(disk: Path, path: Path) -> None:
    """A disk again, holes and all; where the host's file system can, without copying."""
    with disk.open("rb") as source, path.open("wb") as target:
        try:
            fcntl.ioctl(target, _FICLONE, source.fileno())
        except OSError:
            _copy_what_is_there(source.fileno(), target.fileno())
            target.truncate(disk.stat().st_size)


def _empty(draft: Path, size: int) -> None:
    """Its journal and its tables are zeros already, since they are holes; the folders are those of an overlay."""
    with tempfile.TemporaryDirectory(dir=draft.parent) as folder:
        for name in ("upper", "work"):
            Path(folder, name).mkdir()
        _mke2fs(draft, size, "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", folder)


def _copy_what_is_there(source: int, target: int) -> None:
    end = 0
    while True:
        try:
            begin = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole follows
                return
            raise
        end = os.lseek(source, begin, os.SEEK_HOLE)
        os.lseek(source, begin, os.SEEK_SET)
        os.lseek(target, begin, os.SEEK_SET)
        while begin < end:
            begin += os.sendfile(target, source, None, end - begin)
