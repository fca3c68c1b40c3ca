"""The web pages that places have."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from emulator.errors import WrongInput
from emulator.places import CONTROL_PORT, DICOMWEB_PORT, HUB_ADDRESS, pacs_address
from emulator.topology import Topology
from nodes import pacs


@dataclass(frozen=True)
class Page:
    """A web page inside a world: `address`:`port` as seen from `seen_from`, by http or https."""

    seen_from: str
    address: str
    port: int
    scheme: str = "http"


def page(topology: Topology, place: str) -> Page:
    """The web page of a place: the PACS at a site and its machine, the hub's service at the hub."""
    if place == "hub":
        return Page("hub", HUB_ADDRESS, CONTROL_PORT)
    name, _, part = place.partition("/")
    site = next((site for site in topology.sites if site.name == name), None)
    if site is None or part not in ("", "pacs"):
        raise WrongInput(f"'{place}' has no web page; those that have one: hub, SITE/pacs")
    root = pacs.get(site.pacs.flavour).endpoint(site).dicomweb
    if root is None:
        raise WrongInput(f"'{place}' has no web page: its PACS '{site.pacs.profile}' offers nothing over HTTP")
    return Page(f"{name}/worker", pacs_address(site.index), DICOMWEB_PORT, urlsplit(root).scheme)
