"""A worker's store: the instances of studies that are being pulled, on disk. A study goes once its sample is made."""

import hashlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from nodes.errors import Unreadable
from nodes.pull import packs
from nodes.pull.multipart import Piece
from nodes.pull.packs import Instance, Pack, Place
from nodes.pull.provenance import Provenance, provenance

_HEAD_BYTES: Final = 256 * 1024  # in which an image says whose it is; else the whole of it is looked at


class Store:
    """Studies in a folder, each in a folder of its own, which is named by a digest: a UID comes from outside, and never
    becomes a path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holding(self, study: str) -> "Holding":
        """What is kept of a study, by this process or an earlier one."""
        folder = self.folder_of(study)
        with packs.local_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return Holding(study, folder)

    def forget(self, study: str) -> None:
        """Away with all of a study."""
        shutil.rmtree(self.folder_of(study), ignore_errors=True)

    def folder_of(self, study: str) -> Path:
        """Where a study lies, or would."""
        return self._folder / hashlib.sha256(study.encode()).hexdigest()[:32]


class Holding:
    """The instances of one study, each once. Several streams may bring some at the same time."""

    def __init__(self, study: str, folder: Path) -> None:
        self.study = study
        self._folder = folder
        self._lock = threading.Lock()
        self._places: dict[str, tuple[Instance, Place]] = {}
        self._packs = 0
        for path in sorted(folder.glob("*.pack")):
            self._packs = max(self._packs, int(path.stem))
            for instance, place in packs.reopened(path):
                self._places.setdefault(instance.uid, (instance, place))

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, uid: object) -> bool:
        return uid in self._places

    @property
    def instances(self) -> list[Instance]:
        """All that are kept, in the order in which they came."""
        return [instance for instance, _ in self._places.values()]

    def stream(self) -> "Stream":
        """Somewhere to write what one connection brings. A context manager."""
        with self._lock:
            self._packs += 1
            return Stream(self, self._folder / f"{self._packs}.pack")

    def views(self) -> Iterator[tuple[Instance, memoryview]]:
        """Every instance with its bytes, mapped: what is not touched is not read."""
        files: dict[Path, memoryview] = {}
        for instance, place in list(self._places.values()):
            if place.pack not in files:
                files[place.pack] = packs.mapped(place.pack)
            yield instance, files[place.pack][place.offset : place.offset + instance.size]

    def drop(self, uid: str) -> None:
        """An instance proved to be damaged: it counts no more."""
        _, place = self._places.pop(uid)
        packs.drop(place)

    def settle(self, instance: Instance, place: Place) -> bool:
        """Take note of what a stream has kept; False where it has come before."""
        with self._lock:
            return self._places.setdefault(instance.uid, (instance, place))[1] == place


class Stream:
    """What one connection brings, instance by instance: `whole`, or `piece` by piece and `end` or `abort`.

    Each is checked before it counts: it is DICOM, says whose it is in UIDs that are ones, and is of the study that was
    asked for (and the instance, where `asked` names one). Raises Unreadable; the stream can go on.
    """

    def __init__(self, holding: Holding, path: Path) -> None:
        self._holding = holding
        self._path = path
        self._pack: Pack | None = None
        self._head = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """What was begun and not ended goes."""
        if self._pack is not None:
            self._pack.close()
            self._pack = None

    def whole(self, data: memoryview, asked: str | None = None) -> bool:
        """Keep a whole instance; False where it is here already."""
        found = self._checked(provenance(data), asked)
        if found.instance in self._holding:
            return False
        instance, place = self._open().whole((found.instance, found.series, found.sop_class), data)
        return self._holding.settle(instance, place)

    def take(self, piece: Piece, asked: str | None = None) -> bool | None:
        """Keep a piece of a multipart body; where it is a part's last, whether that was not here before."""
        if piece.first and piece.last:
            return self.whole(piece.data, asked)
        self.piece(piece.data)
        return self.end(asked) if piece.last else None

    def piece(self, data: memoryview | bytes) -> None:
        """The next bytes of an instance."""
        self._open().write(data)
        if len(self._head) < _HEAD_BYTES:
            self._head += data[: _HEAD_BYTES - len(self._head)]

    def end(self, asked: str | None = None) -> bool:
        """The instance is there; False where it was already."""
        pack = self._open()
        try:
            found = self._checked(self._provenance(pack), asked)
            if found.instance not in self._holding:
                instance, place = pack.keep((found.instance, found.series, found.sop_class))
                return self._holding.settle(instance, place)
        finally:
            self.abort()
        return False

    def abort(self) -> None:
        """What came of an instance is worth nothing."""
        self._head.clear()
        if self._pack is not None:
            self._pack.discard()

    def _open(self) -> Pack:
        if self._pack is None:
            self._pack = Pack(self._path)
        return self._pack

    def _provenance(self, pack: Pack) -> Provenance:
        try:
            return provenance(bytes(self._head))
        except Unreadable:
            if len(self._head) < _HEAD_BYTES:
                raise
            return provenance(pack.written())

    def _checked(self, found: Provenance, asked: str | None) -> Provenance:
        packs.checked_uid(found.instance, "an instance's UID")
        packs.checked_uid(found.series, f"the series of instance {found.instance}")
        if found.study != self._holding.study:
            raise Unreadable(f"the PACS sent instance {found.instance}, which is of study {found.study[:80]!r}")
        if asked is not None and found.instance != asked:
            raise Unreadable(f"the PACS sent instance {found.instance} for instance {asked}")
        return found
