"""The registry of PACS flavours. A flavour is one file in this folder with one class, found by its name."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from emulator.places import Service
from emulator.topology.resolved import Site
from nodes.errors import UnknownName

if TYPE_CHECKING:
    from httpx import BaseTransport


@dataclass(frozen=True)
class PacsAnswer:
    """What a PACS says of itself: its software's version and how much it holds."""

    version: str
    studies: int
    instances: int


class Filler(Protocol):
    """A server of this flavour that runs for as long as it is being filled."""

    def put(self, archive: bytes) -> None:
        """Store every DICOM file of a zip archive (the files of one study)."""

    def count(self) -> PacsAnswer:
        """Say what has been stored up to now."""


class PacsFlavour(Protocol):
    """One kind of PACS. `name` is what a topology calls it."""

    name: str

    def service(self, site: Site, storage: Path | None) -> Service:
        """The server of a site, over a copy-on-write layer of `storage` (None: it starts empty)."""

    def fill(self, storage: Path, port: int) -> AbstractContextManager[Filler]:
        """Run a server on a loopback port that fills the folder `storage`; whole once the context has ended."""

    def probe(self, site: Site, transport: "BaseTransport") -> PacsAnswer:
        """Ask a site's server over a transport that reaches it; raises PullFailed where it does not answer."""


_flavours: dict[str, PacsFlavour] = {}


def register(name: str) -> Callable[[type[PacsFlavour]], type[PacsFlavour]]:
    """Make a flavour known under a name (a class decorator)."""

    def keep(flavour: type[PacsFlavour]) -> type[PacsFlavour]:
        _flavours[name] = flavour()
        return flavour

    return keep


def get(name: str) -> PacsFlavour:
    """The flavour of that name; raises UnknownName."""
    if name not in _flavours:
        raise UnknownName("PACS flavour", name, _flavours)
    return _flavours[name]


def names() -> frozenset[str]:
    """The names of all flavours."""
    return frozenset(_flavours)
