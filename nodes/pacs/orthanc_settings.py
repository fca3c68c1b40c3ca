"""Orthanc's configuration: from a profile's habits to the variables of its template, and to its text."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from jinja2 import Environment, StrictUndefined, Template

from emulator.places import DICOMWEB_PORT, DIMSE_PORT, MOVE_PORT, pacs_address, worker_address
from emulator.topology.resolved import Site
from nodes.endpoints import CALLING_AET, Login, Tls
from nodes.pacs import postgresql
from nodes.pacs.fronting import ARCHIVE_PORT
from nodes.pacs.habits import Dimse, aet_of
from nodes.pacs.orthanc_habits import OrthancHabits, serves_itself

_IDLE_S = 30
_PDU_BYTES = 16384
_ABOVE = 10_000


class Release(Protocol):
    """Where an Orthanc and its plugins lie."""

    def program(self) -> tuple[str, ...]:
        """How it is called; raises CannotHere where it is missing."""

    def plugin(self, name: str) -> str:
        """The file of a plugin, by Orthanc's word for it; raises CannotHere where it is missing."""

    def environment(self) -> tuple[tuple[str, str], ...]:
        """What its processes need in their environment."""


@cache
def _template() -> Template:
    # JSON has no HTML in it: what is put in is escaped by `tojson`, and by nothing else.
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    return environment.from_string(files("nodes.pacs").joinpath("orthanc.json.j2").read_text())


def render(variables: Mapping[str, Any]) -> str:
    """Orthanc's configuration as JSON text, from the template that VMs use too. Every variable of it must be given."""
    return _template().render(variables)


def filling(storage: str, http_port: int, habits: OrthancHabits, release: Release) -> dict[str, Any]:
    """The variables of an Orthanc that is filled over HTTP on loopback; it is the profile's in all that is stored."""
    return {
        "name": "filling",
        "aet": "FILLING",
        "storage": storage,
        "plugins": _plugins(habits, release),
        "http_port": http_port,
        "http_threads": habits.http_threads,
        "remote_access": True,
        "users": {},
        "transcoding": habits.transcoding,
        "storage_cache_mb": habits.storage_cache_mb,
        "compression": habits.compression,
        "postgresql": _database("127.0.0.1", database_port(http_port)) if habits.database == "postgresql" else None,
        **_dimse(Dimse(), habits, None),
        "dimse": False,
    }


def serving(site: Site, habits: OrthancHabits, release: Release) -> dict[str, Any]:
    """The variables of a site's Orthanc, with `@FOLDER@` for the folder of its service."""
    served = {
        **filling("@FOLDER@/storage", DICOMWEB_PORT, habits, release),
        "name": site.name,
        "aet": aet_of(site.name, habits),
    }
    if not serves_itself(habits.web):
        served |= {"http_port": ARCHIVE_PORT, "remote_access": False}
    if habits.database == "postgresql":
        served["postgresql"] = _database(pacs_address(site.index), postgresql.PORT)
    login = login_of(site, habits)
    if login:
        served["users"] = {login.user: login.password}
    if habits.dimse:
        served |= {**_dimse(habits.dimse, habits, worker_address(site.index)), "dimse": True}
    return served


def database_port(http_port: int) -> int:
    """Where the database of an Orthanc that is being filled listens."""
    return http_port + _ABOVE


def _database(host: str, port: int) -> dict[str, Any]:
    return {"host": host, "port": port, "database": postgresql.DATABASE, "user": postgresql.USER}


def _plugins(habits: OrthancHabits, release: Release) -> list[str]:
    wanted = {
        "DicomWeb": "wado-rs" in habits.ways(),
        "PostgreSQLIndex": habits.database == "postgresql",
    }
    return [release.plugin(name) for name, is_wanted in wanted.items() if is_wanted]


def _dimse(dimse: Dimse, habits: OrthancHabits, worker: str | None) -> dict[str, Any]:
    """`worker` is the address of the site's worker, which it may know (None: there is none)."""
    known = {"aet": CALLING_AET, "host": worker, "port": MOVE_PORT} if worker and dimse.knows_worker else None
    tls = {name: f"@FOLDER@/{file}" for name, file in DIMSE_FILES.items()} if dimse.tls else None
    return {
        "dimse_port": DIMSE_PORT,
        "check_called": dimse.check_called,
        "check_calling": dimse.check_calling,
        "c_get": "c-get" in habits.ways(),
        "c_move": "c-move" in habits.ways(),
        "worker": known,
        "idle_s": _IDLE_S if dimse.idle is None else round(dimse.idle),
        "pdu_bytes": dimse.pdu_bytes or _PDU_BYTES,
        "dimse_tls": tls,
    }


DIMSE_FILES = {"certificate": "dimse.pem", "key": "dimse.key", "authority": "authority.pem"}


def login_of(site: Site, habits: OrthancHabits) -> Login | None:
    """Who may call a site's Orthanc over HTTP; None: everybody."""
    if habits.web.auth != "basic" or not serves_itself(habits.web):
        return None
    from nodes.passwords import password

    return Login(user=CALLING_AET.lower(), password=password(f"{site.name}/pacs"))


def certificates(site: Site, habits: OrthancHabits) -> tuple[tuple[str, str], ...]:
    """The files with certificates and keys that the configuration names, for the folder of the service."""
    if not (habits.dimse and habits.dimse.tls):
        return ()
    from nodes import certificates as issued  # `cryptography` takes time to import, which only those pay who need it

    authority = issued.of_home()
    pair = authority.server(f"pacs.{site.name}", [pacs_address(site.index)])
    texts = {"certificate": pair.certificate_pem, "key": pair.key_pem, "authority": authority.certificate_pem}
    return tuple((file, texts[name]) for name, file in DIMSE_FILES.items())


def caller(site: Site, habits: OrthancHabits) -> Tls | None:
    """What the worker needs for DICOM over TLS."""
    if not (habits.dimse and habits.dimse.tls):
        return None
    from nodes import certificates as issued

    authority = issued.of_home()
    own = authority.client(f"worker.{site.name}")
    return Tls(str(authority.certificate_path), str(own.certificate_path), str(own.key_path))
