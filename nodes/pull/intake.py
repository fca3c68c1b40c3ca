"""What is noted while a way brings a study."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nodes.errors import Unreadable
from nodes.pull.store import Holding


@dataclass(eq=False)
class Intake:
    """One study on its way. `refused` says what of it came and could not be kept; `noted` what its PACS could not do,
    though something came. Bytes: see `Fetched`."""

    holding: Holding
    rx: int = 0
    tx: int = 0
    doubled: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    noted: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def study(self) -> str:
        """Its UID."""
        return self.holding.study

    @contextmanager
    def judging(self, called: str) -> Iterator[None]:
        """What is unreadable inside is refused under this name, and the rest goes on."""
        try:
            yield
        except Unreadable as error:
            self.refused[called] = str(error)

    def count(self, new: bool, called: str) -> None:
        """An instance came; it is no longer refused. One that had come before counts as doubled."""
        with self._lock:
            self.refused.pop(called, None)
            self.doubled += not new

    def carried(self, rx: int, tx: int) -> None:
        """So many bytes of payload went to and fro."""
        with self._lock:
            self.rx += rx
            self.tx += tx
