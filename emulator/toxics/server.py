"""The Toxiproxy server of a site: found on this machine, started at the site's gateway with a proxy for each port."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.errors import CannotHere
from emulator.places import (
    CONTROL_PORT,
    DICOMWEB_PORT,
    DIMSE_PORT,
    HUB_ADDRESS,
    MODEL_PORT,
    STUDY_PORT,
    UPDATE_PORT,
    Service,
    gateway_address,
    pacs_address,
)
from emulator.topology.resolved import Site, Target, Topology

PROGRAM = "toxiproxy-server"
ADVICE = "./dev install --tests builds it, where Go's modules can be reached"
API_ADDRESS = "127.0.0.1"  # of the gateway: nobody else at the site reaches it
API_PORT = 8474

_PORTS: Mapping[Target, Mapping[str, int]] = {
    "dicomweb": {"dicomweb": DICOMWEB_PORT},
    "dimse": {"dimse": DIMSE_PORT},
    "hub": {
        "hub-control": CONTROL_PORT,
        "hub-model": MODEL_PORT,
        "hub-update": UPDATE_PORT,
        "hub-studies": STUDY_PORT,  # the policy lets it through where the hub trains
    },
}
_PROXY_PORTS = 10_000  # above the port that a proxy stands in front of


@dataclass(frozen=True)
class Proxy:
    """One proxy: connections to `address`:`port` are diverted to `own_port` of the gateway."""

    name: str
    address: str
    port: int

    @property
    def own_port(self) -> int:
        return self.port + _PROXY_PORTS


def proxies(site: Site, on: Target) -> tuple[Proxy, ...]:
    """The proxies of one service: one a port of it."""
    address = HUB_ADDRESS if on == "hub" else pacs_address(site.index)
    return tuple(Proxy(name, address, port) for name, port in _PORTS[on].items())


def all_proxies(site: Site) -> tuple[Proxy, ...]:
    return tuple(proxy for on in _PORTS for proxy in proxies(site, on))


def server(site: Site) -> Service:
    """The server at a site's gateway, with all its proxies and no toxics yet. Raises `CannotHere` where it is missing.

    A proxy harms nobody before connections are diverted to it.
    """
    return Service(
        name=server_name(site),
        place=site.name,
        argv=(_found_program(), "-host", API_ADDRESS, "-port", str(API_PORT), "-config", "@FOLDER@/proxies.json"),
        ready_port=API_PORT,
        ready_path="/version",
        files=(("proxies.json", _configuration(site)),),
        env=(("LOG_LEVEL", "warn"),),  # it would write a line for each connection
    )


def servers(topology: Topology) -> tuple[Service, ...]:
    """The servers of all sites that have toxics. Raises `CannotHere` where there are any and the program is missing."""
    return tuple(server(site) for site in topology.sites if site.toxics)


def server_name(site: Site) -> str:
    return f"{site.name}/toxiproxy"


def is_server(service: Service) -> bool:
    return service.name == f"{service.place}/toxiproxy"


def _configuration(site: Site) -> str:
    gateway = gateway_address(site.index)
    entries = [
        {
            "name": proxy.name,
            "listen": f"{gateway}:{proxy.own_port}",
            "upstream": f"{proxy.address}:{proxy.port}",
            "enabled": True,
        }
        for proxy in all_proxies(site)
    ]
    return json.dumps(entries, indent=1)


def _found_program() -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        raise CannotHere(f"{PROGRAM}, which toxics need, is not on the PATH: {ADVICE}")
    return found
