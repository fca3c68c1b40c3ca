"""How instances lie on a worker's disk: one after another in a file, each behind a head that says what it is.

A file an instance would be plainer, and costs ten times as much: making, renaming and opening 68 small files takes
5 ms, a third of what the network takes for them (decision 0016). A head is written once its instance is there, so that
a kill at any moment leaves whole instances and at most one torn end, which is cut off when the file is next opened.
"""

import errno
import hashlib
import mmap
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodes.errors import CannotHere, NoRoom, Unreadable

LARGEST_BYTES: Final = 4 * 2**30
"""An instance beyond is refused: an hour of cine is smaller, and a disk is not endless."""

_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_HEAD: Final = struct.Struct("<4sQ32s64s64s64s4x")
_WHOLE, _DROPPED = b"PULL", b"GONE"


@dataclass(frozen=True)
class Instance:
    """One DICOM file that is kept: whose it is, how large, and its SHA-256."""

    uid: str
    series: str
    sop_class: str
    size: int
    sha256: bytes


@dataclass(frozen=True)
class Place:
    """Where the bytes of an instance stand."""

    pack: Path
    offset: int


def checked_uid(value: str, what: str) -> str:
    """The UID, where it is one (PS3.5, chapter 9, but for leading zeros, which many write). Raises Unreadable."""
    if len(value) > 64 or not _UID.fullmatch(value):
        raise Unreadable(f"the PACS sent {value[:80]!r} for {what}; a UID is digits and dots, 64 characters at most")
    return value


@contextmanager
def local_disk(path: Path) -> Iterator[None]:
    """Trouble inside is that of the worker's own disk: it would look like a cut connection, and be tried again for
    nothing."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom(f"{path.parent}: no room on this disk for the study that is being pulled") from error
        raise CannotHere(
            f"{path}: the worker's own disk fails ({error.strerror}); look at it, and at what this user may do there"
        ) from error


class Pack:
    """A file that instances are appended to, by one writer. Close it.

    An instance is opened by `begin`, written in pieces, and kept by `keep` or taken back by `discard`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with local_disk(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._end = 0  # of what is kept
        self._size = 0  # of what is being written
        self._digest = hashlib.sha256()

    def close(self) -> None:
        """What was begun and not kept goes; so does a file in which nothing is kept."""
        try:
            self.discard()
        finally:
            os.close(self._file)
        if not self._end:
            with local_disk(self.path):
                self.path.unlink(missing_ok=True)

    def whole(self, instance_of: "Identified", data: memoryview) -> tuple[Instance, Place]:
        """Keep an instance that is there as a whole: one write."""
        instance = Instance(*instance_of, len(data), hashlib.sha256(data).digest())
        self._write_all(self._end, packed(instance), data)
        return instance, self._kept(instance)

    def write(self, data: memoryview | bytes) -> None:
        """The next bytes of an instance; raises Unreadable where it grows beyond all measure."""
        if self._size + len(data) > LARGEST_BYTES:
            raise Unreadable(f"it is larger than {LARGEST_BYTES >> 30} GiB")
        self._write_all(self._end + _HEAD.size + self._size, data)
        self._digest.update(data)
        self._size += len(data)

    def keep(self, instance_of: "Identified") -> tuple[Instance, Place]:
        """What was written is an instance, and this one."""
        instance = Instance(*instance_of, self._size, self._digest.digest())
        self._write_all(self._end, packed(instance))
        place = self._kept(instance)
        self._size, self._digest = 0, hashlib.sha256()
        return instance, place

    def discard(self) -> None:
        """Take back what was written and not kept."""
        if self._size:
            with local_disk(self.path):
                os.ftruncate(self._file, self._end)
        self._size, self._digest = 0, hashlib.sha256()

    def written(self) -> memoryview:
        """What has been written of the instance, mapped."""
        start = self._end + _HEAD.size
        return mapped(self.path)[start : start + self._size]

    def _kept(self, instance: Instance) -> Place:
        place = Place(self.path, self._end + _HEAD.size)
        self._end = place.offset + instance.size
        return place

    def _write_all(self, offset: int, *data: memoryview | bytes) -> None:
        wanted = sum(map(len, data))
        with local_disk(self.path):
            if (done := os.pwritev(self._file, data, offset)) == wanted:
                return
            rest = memoryview(b"".join(data))  # rare: a signal, or a disk that is full, which the next write says
            while done < wanted:
                done += os.pwrite(self._file, rest[done:], offset + done)


Identified = tuple[str, str, str]
"""UID, series and SOP class of an instance."""


def packed(instance: Instance) -> bytes:
    """The head that stands before an instance."""
    names = (instance.uid.encode(), instance.series.encode(), instance.sop_class.encode())
    return _HEAD.pack(_WHOLE, instance.size, instance.sha256, *names)


def reopened(path: Path) -> Iterator[tuple[Instance, Place]]:
    """The sound instances of a file that another process wrote. A torn end is cut off; what has changed since it was
    written is dropped."""
    with local_disk(path):
        yield from _reopened(path)


def _reopened(path: Path) -> Iterator[tuple[Instance, Place]]:
    size, offset = path.stat().st_size, 0
    while head := _read_head(path, offset, size):
        mark, instance = head
        place = Place(path, offset + _HEAD.size)
        offset = place.offset + instance.size
        if mark == _WHOLE and hashlib.sha256(view(instance, place)).digest() == instance.sha256:
            yield instance, place
        elif mark == _WHOLE:
            drop(place)
    if offset < size:
        os.truncate(path, offset)


def _read_head(path: Path, offset: int, size: int) -> tuple[bytes, Instance] | None:
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(_HEAD.size)
    if len(data) < _HEAD.size:
        return None
    mark, length, digest, *names = _HEAD.unpack(data)
    if mark not in (_WHOLE, _DROPPED) or offset + _HEAD.size + length > size:
        return None
    uid, series, sop_class = (name.rstrip(b"\0").decode("ascii", errors="replace") for name in names)
    return mark, Instance(uid, series, sop_class, length, digest)


def drop(place: Place) -> None:
    """The instance there counts no more, now and after a restart."""
    with local_disk(place.pack):
        file = os.open(place.pack, os.O_WRONLY)
        try:
            os.pwrite(file, _DROPPED, place.offset - _HEAD.size)
        finally:
            os.close(file)


def mapped(path: Path) -> memoryview:
    """A file's bytes, read from the disk as they are touched."""
    with local_disk(path), path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def view(instance: Instance, place: Place) -> memoryview:
    """An instance's bytes, likewise."""
    return mapped(place.pack)[place.offset : place.offset + instance.size]
