"""A study as one run of bytes, to go from one store to another: its instances, each behind its head, which is a pack.

The other store takes the bytes as they are, and finds by their heads whether they are what was sent.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nodes.errors import Unreadable
from nodes.pull.packs import packed
from nodes.pull.store import Holding, Store


@dataclass(frozen=True)
class Parcel:
    """`name` is a SHA-256 over the digests of its instances (hex): of the same instances it is the same."""

    name: str
    size: int
    parts: tuple[memoryview, ...]

    def after(self, offset: int) -> Iterator[memoryview]:
        """What is left of it beyond so many bytes."""
        for part in self.parts:
            if offset < len(part):
                yield part[offset:]
            offset = max(0, offset - len(part))


def parcel(holding: Holding) -> Parcel:
    """A study's parcel; of its bytes nothing is read yet."""
    parts: list[memoryview] = []
    for instance, data in sorted(holding.views(), key=lambda found: found[0].uid):
        parts += (memoryview(packed(instance)), data)
    return Parcel(_name(holding), sum(map(len, parts)), tuple(parts))


def _name(holding: Holding) -> str:
    digests = (instance.sha256 for instance in sorted(holding.instances, key=lambda one: one.uid))
    return hashlib.sha256(b"".join(digests)).hexdigest()


class Delivery:
    """A parcel on its way into a store. What has come of it outlives whoever brings it, and whoever takes it."""

    def __init__(self, store: Store, study: str, name: str) -> None:
        self._store, self._study, self._name = store, study, name
        folder = store.folder_of(study)
        self._coming, self._whole = folder / f"{name}.coming", folder / "1.pack"

    @property
    def settled(self) -> bool:
        """Whether all of it is in the store."""
        return self._whole.exists() and _name(self._store.holding(self._study)) == self._name

    def arrived(self) -> int:
        """How many of its bytes have come."""
        with contextlib.suppress(FileNotFoundError):
            return self._coming.stat().st_size
        return self._whole.stat().st_size if self.settled else 0

    def open(self) -> Path:
        """The file to which what comes is appended."""
        self._coming.parent.mkdir(parents=True, exist_ok=True)
        return self._coming

    def settle(self) -> None:
        """All of it has come. Raises Unreadable where that is not what was sent; then it can begin anew."""
        with contextlib.suppress(FileNotFoundError):  # settled meanwhile, for who brought it by another connection
            self._coming.replace(self._whole)
        if not self.settled:
            self._store.forget(self._study)
            raise Unreadable(f"study {self._study}: what came is not what was announced")
