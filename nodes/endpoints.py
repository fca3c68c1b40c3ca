"""How a PACS is reached: what a hospital's IT department writes on one page for whoever will call it."""

from dataclasses import dataclass

from emulator.places import MOVE_PORT

CALLING_AET = "WORKER"
"""As whom a worker calls."""


@dataclass(frozen=True)
class Login:
    """Who calls over HTTP: a `user` with a `password` (Basic), or a bearer `token`; what is not meant is empty."""

    user: str = ""
    password: str = ""
    token: str = ""


@dataclass(frozen=True)
class Tls:
    """PEM files on this machine: the authority that signed the server's certificate, and, where the server asks the
    caller for one too (mutual TLS), the caller's certificate and key.
    """

    authority: str
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True)
class Endpoint:
    """Where the PACS of `site` answers, and as whom it is called.

    `dicomweb` is the root of its DICOMweb services (None: it has none), `dimse_port` its DICOM port (None: none).
    `aet` is its own AE title, `calling_aet` the worker's, on whose port `move_port` it expects the objects of a C-MOVE.
    `nodelay` says whether the worker turns Nagle's algorithm off on its side of DIMSE. `retrieve` names the ways that
    the hospital allows ("wado-rs", "c-get", "c-move"), all that the PACS can by default.
    """

    site: str
    host: str
    dicomweb: str | None
    dimse_port: int | None
    aet: str = "PACS"
    calling_aet: str = CALLING_AET
    move_port: int = MOVE_PORT
    nodelay: bool = True
    retrieve: tuple[str, ...] = ("wado-rs", "c-get", "c-move")
    login: Login | None = None
    web_tls: Tls | None = None
    dimse_tls: Tls | None = None
