"""What `up` would change: wanted against present, a pure function."""

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.places import Service
from emulator.topology.resolved import Site, Topology


@dataclass(frozen=True)
class Changes:
    """Names of sites and services. A site whose number or machine changes is removed and added again."""

    add: tuple[str, ...]
    remove: tuple[str, ...]
    relink: tuple[str, ...]
    restart: tuple[str, ...]
    hub_link: bool
    other: bool

    @property
    def any(self) -> bool:
        return self != Changes((), (), (), (), False, False)


def _place(site: Site) -> tuple[int, str]:
    return site.index, site.machine


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
        hub_link=present is None or present.hub != wanted.hub,
        other=present != wanted,
    )
