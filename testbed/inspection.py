"""One world, site by site: what it was asked to be, and what each PACS says of itself when asked now."""

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from ssl import SSLContext
from typing import Any

import httpx

from emulator.errors import TestbedError
from emulator.fidelity.check import kept
from emulator.places import HUB_ADDRESS, pacs_address
from emulator.topology import Link, Site
from emulator.worlds import World, capacity
from nodes.pacs import flavours
from nodes.warehouse import warehouse

ASKED_AT_ONCE = 16  # two processors serve fifty PACS no faster with more


@dataclass(frozen=True)
class AsSeenAt:
    """The network as a place of a world sees it."""

    world: World
    place: str

    def transport(self, tls: SSLContext | None = None) -> httpx.BaseTransport:
        return self.world.transport(self.place, tls)

    def connect(self, host: str, port: int, timeout_s: float) -> socket.socket:
        return self.world.connect(self.place, host, port, timeout_s)


def inspect(world: World) -> dict[str, Any]:
    """The document of `status --json`: SI units, fractions from 0 to 1."""
    import pydicom  # noqa: F401 - its modules import one another: two threads that begin with it meet half of it

    with ThreadPoolExecutor(ASKED_AT_ONCE) as hands:
        memory = hands.submit(world.memory_bytes)
        alive = world.services()
        links, changed = world.links(), world.changed_links()
        checked = kept(world)
        found = hands.map(lambda site: _site(world, site, links[site.name], alive, checked), world.topology.sites)
        sites = [{**site, "link": {**site["link"], "changed": site["name"] in changed}} for site in found]
    return {
        "world": world.name,
        "state": world.state,
        "wan": _wan(world.record.wan),
        "memory_bytes": memory.result(),
        "up_s": world.record.up_s,
        "hub": {"address": HUB_ADDRESS, "link": _link(world.topology.hub.link)},
        **_warehouse(world),
        "policy": _policy(world),
        "traffic": [{**asdict(flow), "running": running} for flow, running in world.flows()],
        "sites": sites,
    }


def _wan(kernel: str) -> dict[str, Any]:
    """`capacity_bps` is what this machine's router carried when it was measured; null where it was not."""
    measured = capacity.kept(kernel)
    return {"kernel": kernel, "capacity_bps": measured.bps if measured else None}


def _warehouse(world: World) -> dict[str, Any]:
    """The archive at the hub, of a world that has one, as the hub sees it."""
    central = warehouse(world.topology)
    return {} if central is None else {"warehouse": {"pacs": _pacs(world, central, "hub")}}


def _policy(world: World) -> dict[str, Any]:
    """What the topology opens, and what the policy refused since the world came up: in all, and by who sent it."""
    refused = world.refused()
    total = {what: sum(getattr(one, what) for one in refused.values()) for what in ("packets", "bytes")}
    by_sender = {name: asdict(one) for name, one in refused.items()}
    return {"open": [asdict(way) for way in world.topology.policy], "refused": {**total, "by_sender": by_sender}}


def _site(
    world: World, site: Site, link: Link, alive: Mapping[str, bool], checked: Mapping[str, Any]
) -> dict[str, Any]:
    """`check`: what the last check found of the site's link; None where nothing, or the link has changed since."""
    pacs = _pacs(world, site, f"{site.name}/worker")
    runs = any(up for name, up in alive.items() if name.startswith(f"{site.name}/pacs"))
    return {
        "name": site.name,
        "group": site.group,
        "machine": site.machine,
        **({"guest": told} if (told := world.machines.told(site)) else {}),
        "state": "up" if pacs["answers"] else "silent" if runs else "fallen",
        "address": pacs_address(site.index),
        "pacs": pacs,
        "link": {**_link(link), "varies": link.varies},
        **_toxics(world, site),
        "check": checked.get(site.name),
    }


def _pacs(world: World, site: Site, place: str) -> dict[str, Any]:
    """What the PACS answers; where it doesn't, `answers` is false, figures are zero and `error` says why."""
    flavour = flavours.get(site.pacs.flavour)
    try:
        said = flavour.probe(site, AsSeenAt(world, place))
    except (TestbedError, httpx.HTTPError) as error:
        silent = {"version": "", "studies": 0, "instances": 0, "answers": False}
        return {"flavour": site.pacs.flavour, **silent, "error": str(error)}
    told = {"version": said.version, "studies": said.studies, "instances": said.instances}
    return {"flavour": site.pacs.flavour, **told, "answers": True}


def _toxics(world: World, site: Site) -> dict[str, Any]:
    """Those that are on now, of a site that has a Toxiproxy; where that has ended, `toxics_error` says so."""
    try:
        found = world.toxics(site.name)
    except TestbedError as error:
        return {"toxics": [], "toxics_error": str(error)}
    return {"toxics": [asdict(toxic) for toxic in found]} if found else {}


def _link(link: Link) -> dict[str, Any]:
    return {"profile": link.profile, "down": asdict(link.down), "up": asdict(link.up)}
