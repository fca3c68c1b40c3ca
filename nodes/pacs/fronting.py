"""A gateway in front of an archive: how a flavour that speaks HTTP gets the `web` habits that it has not itself."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from emulator.places import DICOMWEB_PORT, Service, pacs_address
from emulator.topology.resolved import Site
from nodes import gateway
from nodes.endpoints import Endpoint, Login, Tls
from nodes.gateway.hours import Window
from nodes.gateway.settings import ServerTls, Settings
from nodes.pacs.habits import Web

ARCHIVE_PORT = 18_042
"""Where the archive itself answers, to its own machine alone."""
_USER = "worker"
_CERTIFICATE, _KEY, _AUTHORITY = "web.pem", "web.key", "authority.pem"


def fronted(site: Site, web: Web, services: Sequence[Service]) -> tuple[Service, ...]:
    """The services of a site whose archive listens on ARCHIVE_PORT, with a gateway on the port that is called.

    Raises CannotHere where no certificates can be kept.
    """
    tls = _tls(web)
    here = ServerTls(*(f"@FOLDER@/{file}" for file in (_CERTIFICATE, _KEY))) if tls else None
    if here and web.auth == "mutual":
        here = replace(here, callers=f"@FOLDER@/{_AUTHORITY}", caller=_worker(site))
    files = (("gateway.json", _settings(site, web, here).text()), *(_certificates(site) if tls else ()))
    front = Service(
        name=f"{site.name}/pacs-gateway",
        place=f"{site.name}/pacs",
        argv=(sys.executable, "-S", "-P", "-m", gateway.__name__, "@FOLDER@/gateway.json"),
        ready_port=DICOMWEB_PORT,
        ready_path=None,  # who is not let in sees no 200
        files=files,
        env=(("PYTHONPATH", str(Path(gateway.__file__).parents[2])),),  # also from a bare checkout
    )
    return (*services, front)


def through_gateway(site: Site, web: Web, endpoint: Endpoint) -> Endpoint:
    """How an archive is reached that stands behind a gateway. Raises CannotHere where no certificates can be kept."""
    reached = replace(endpoint, login=_caller(site, web))
    if not _tls(web):
        return reached
    from nodes import certificates  # `cryptography` takes time to import, which only those pay who need it

    authority = certificates.of_home()
    tls = Tls(str(authority.certificate_path))
    if web.auth == "mutual":
        own = authority.client(_worker(site))
        tls = replace(tls, certificate=str(own.certificate_path), key=str(own.key_path))
    root = endpoint.dicomweb and endpoint.dicomweb.replace("http://", "https://", 1)
    return replace(reached, dicomweb=root, web_tls=tls)


def _settings(site: Site, web: Web, tls: ServerTls | None) -> Settings:
    usual = Settings(site.name, pacs_address(site.index), DICOMWEB_PORT, ARCHIVE_PORT)
    return replace(
        usual,
        page=web.page,
        includefield=web.includefield,
        single_part=web.single_part,
        frames=web.frames,
        bulkdata=web.bulkdata,
        accept=web.accept,
        first_byte_s=web.first_byte or 0.0,
        idle_s=usual.idle_s if web.idle is None else web.idle,
        closed=tuple(Window(one.at, one.lasts, one.every) for one in web.closed),
        rate_bps=web.rate,
        caller=_caller(site, web),
        tls=tls,
    )


def _caller(site: Site, web: Web) -> Login | None:
    from nodes.passwords import password

    if web.auth == "basic":
        return Login(user=_USER, password=password(f"{site.name}/pacs"))
    if web.auth == "bearer":
        return Login(token=password(f"{site.name}/pacs token"))
    return None


def _tls(web: Web) -> bool:
    return web.tls or web.auth == "mutual"


def _worker(site: Site) -> str:
    return f"worker.{site.name}"


def _certificates(site: Site) -> tuple[tuple[str, str], ...]:
    from nodes import certificates

    authority = certificates.of_home()
    pair = authority.server(f"pacs.{site.name}", [pacs_address(site.index)])
    return (
        (_CERTIFICATE, pair.certificate_pem),
        (_KEY, pair.key_pem),
        (_AUTHORITY, authority.certificate_pem),
    )
