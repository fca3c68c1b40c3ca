"""What `up` would change: wanted against present, a pure function."""

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.places import Service
from emulator.topology.resolved import Site, Topology
from emulator.toxics import server_name


@dataclass(frozen=True)
class Changes:
    """Names of sites and services. A site whose number or machine changes is removed and added again. `tree`: the
    router's queues are to be laid anew, since their values alone don't do. `toxics`: sites that keep their place and
    get others, or whose Toxiproxy has ended.
    """

    add: tuple[str, ...]
    remove: tuple[str, ...]
    relink: tuple[str, ...]
    restart: tuple[str, ...]
    toxics: tuple[str, ...]
    shared_links: bool
    tree: bool
    other: bool

    @property
    def any(self) -> bool:
        return self != Changes((), (), (), (), (), False, False, False)


def _place(site: Site) -> tuple[int, str]:
    return site.index, site.machine


def _tree(topology: Topology) -> tuple[tuple[str, ...], tuple[tuple[int, str | None], ...]]:
    """What the shape of the router's queues depends on: which sites there are, and what they share."""
    regions = tuple(region.name for region in topology.regions)
    return regions, tuple((site.index, site.region) for site in topology.sites)


def _toxics_differ(old: Site, new: Site, running: Sequence[Service]) -> bool:
    fallen = bool(new.toxics) and server_name(new) not in {service.name for service in running}
    return fallen or old.toxics != new.toxics


def changes(
    present: Topology | None, running: Sequence[Service], wanted: Topology, services: Sequence[Service]
) -> Changes:
    """What leads from `present` with its running services to `wanted`. `other`: what only the record keeps."""
    old = {site.name: site for site in present.sites} if present else {}
    new = {site.name: site for site in wanted.sites}
    kept = [name for name in new if name in old and _place(new[name]) == _place(old[name])]
    asked = {service.name: service for service in services}
    stays = {f"{name}/pacs" for name in kept}
    started = {service.name: service for service in running if service.place in stays}
    return Changes(
        add=tuple(name for name in new if name not in kept),
        remove=tuple(name for name in old if name not in kept),
        relink=tuple(name for name in kept if new[name].link != old[name].link),
        restart=tuple(n for n, service in asked.items() if service.place in stays and started.get(n) != service),
        toxics=tuple(name for name in kept if _toxics_differ(old[name], new[name], running)),
        shared_links=present is None or (present.hub, present.regions) != (wanted.hub, wanted.regions),
        tree=present is None or _tree(present) != _tree(wanted),
        other=present != wanted,
    )
