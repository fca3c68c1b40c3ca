"""Files as they are put into a folder of ours: each whole or not at all, and trouble told by whose disk it is."""

import errno
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodes.errors import CannotHere, NoRoom

_CHUNK_BYTES = 1 << 20


def digest(path: Path) -> tuple[int, str]:
    """A file's size and SHA-256."""
    digested, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digested.update(chunk)
            size += len(chunk)
    return size, digested.hexdigest()


@contextmanager
def own_disk(path: Path) -> Iterator[None]:
    """Trouble inside is that of the disk that is written to, and no fault of what is read."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom(f"{path.parent}: no room on this disk; make some, and run this again") from error
        raise CannotHere(f"{path} cannot be written ({error.strerror}); look at that disk") from error


@contextmanager
def own_database(path: Path) -> Iterator[None]:
    """The same for what SQLite keeps there."""
    try:
        yield
    except sqlite3.Error as error:
        raise CannotHere(f"{path}: {error}; make room if that disk is full, and run this again") from error


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """A file beside `target` that takes its place once the block has ended well."""
    drafted = target.with_suffix(".part")
    with own_disk(target):
        drafted.unlink(missing_ok=True)
    yield drafted
    with own_disk(target):
        drafted.replace(target)
        drafted.unlink(missing_ok=True)  # of two links to one file, rename leaves both


def link(source: Path, target: Path) -> None:
    """The file there too: as a hard link where that can be, else as a copy."""
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, one without links, or another user's file
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    with own_disk(target):
        copy = target.open("wb")
    with copy, source.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            with own_disk(target):
                copy.write(chunk)
                copy.flush()  # here, and not as it is closed
