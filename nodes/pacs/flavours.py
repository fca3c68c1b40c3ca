"""The registry of PACS flavours. A flavour is one file in this folder with one class, found by its name."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emulator.places import Service
from emulator.topology.resolved import Pacs, Site
from nodes.endpoints import Endpoint
from nodes.errors import UnknownName
from nodes.pacs.habits import Habits

if TYPE_CHECKING:
    import socket
    from ssl import SSLContext

    from httpx import BaseTransport


@dataclass(frozen=True)
class PacsAnswer:
    """What a PACS says of itself: its software's version and how much it holds."""

    version: str
    studies: int
    instances: int


class Reach(Protocol):
    """The network as a site's worker sees it, for whoever stands outside the world."""

    def transport(self, tls: "SSLContext | None" = None) -> "BaseTransport":
        """HTTP from there; over TLS as a context says, where an address asks for it."""

    def connect(self, host: str, port: int, timeout_s: float) -> "socket.socket":
        """A TCP connection from there; raises TestbedError or OSError."""


class Filler(Protocol):
    """A server of this flavour that runs for as long as it is being filled."""

    def put(self, archive: bytes) -> None:
        """Store every DICOM file of a zip archive (the files of one study)."""

    def count(self) -> PacsAnswer:
        """Say what has been stored up to now."""


class PacsFlavour(Protocol):
    """One kind of PACS. `name` is what a topology calls it, `form` what a profile of it may say."""

    name: str
    form: type[Habits]

    def services(self, site: Site, storage: Path | None) -> tuple[Service, ...]:
        """The servers of a site, over a copy-on-write layer of `storage` (None: it starts empty).

        All stand at `SITE/pacs`; the first is the archive itself and is called so too, `SITE/pacs`; what it needs
        beside it (a database, a gateway) is called `SITE/pacs-…`. Raises CannotHere, WrongInput.
        """

    def endpoint(self, site: Site) -> Endpoint:
        """How the site's worker reaches it."""

    def storage_key(self, pacs: Pacs) -> Mapping[str, Any]:
        """Whatever of a profile decides what lies in its storage, beside the cohort: plain JSON."""

    def fill(self, storage: Path, port: int, pacs: Pacs) -> AbstractContextManager[Filler]:
        """Run a server on a loopback port that fills the folder `storage` as a profile's server keeps it.

        The folder is whole once the context has ended.
        """

    def probe(self, site: Site, reach: Reach) -> PacsAnswer:
        """Ask a site's server in passing, for `status`; raises PullFailed where it does not answer."""


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
