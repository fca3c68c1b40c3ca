"""What `up` would change: wanted against present, a pure function."""

from collections.abc import Sequence
from dataclasses import dataclass

from emulator import traffic
from emulator.places import Service
from emulator.topology.resolved import Site, Topology
from emulator.toxics import server_name
from emulator.traffic import Generator


@dataclass(frozen=True)
class Changes:
    """Names of sites and services. A site whose number or machine changes is removed and added again. `tree`: the
    router's queues are to be laid anew, since their values alone don't do. `policy`: so are the rules of who may talk
    to whom. `toxics`: sites that keep their place and get others, or whose Toxiproxy has ended. `traffic` are the
    generators to start, `quiet` those to stop.
    """

    add: tuple[str, ...]
    remove: tuple[str, ...]
    relink: tuple[str, ...]
    restart: tuple[str, ...]
    toxics: tuple[str, ...]
    shared_links: bool
    tree: bool
    policy: bool
    traffic: tuple[str, ...]
    quiet: tuple[str, ...]
    other: bool

    @property
    def any(self) -> bool:
        return self != Changes((), (), (), (), (), False, False, False, (), (), False)


def _place(site: Site) -> tuple[object, ...]:
    return site.index, site.machine, site.guest


def _tree(topology: Topology) -> tuple[tuple[str, ...], tuple[tuple[int, str | None], ...]]:
    """What the shape of the router's queues depends on: which sites there are, and what they share."""
    regions = tuple(region.name for region in topology.regions)
    return regions, tuple((site.index, site.region) for site in topology.sites)


def _policy(topology: Topology) -> tuple[object, ...]:
    """What the rules are made from, besides the sites: these change them when they come and go."""
    return topology.policy, frozenset((flow.source, flow.target) for flow in topology.traffic)


def _toxics_differ(old: Site, new: Site, running: Sequence[Service]) -> bool:
    fallen = bool(new.toxics) and server_name(new) not in {service.name for service in running}
    return fallen or old.toxics != new.toxics


def changes(
    present: Topology | None,
    running: Sequence[Service],
    wanted: Topology,
    services: Sequence[Service],
    generators: Sequence[Generator] = (),
) -> Changes:
    """What leads from `present`, with its running services and generators, to `wanted`. `other`: what only the record
    keeps.
    """
    old = {site.name: site for site in present.sites} if present else {}
    new = {site.name: site for site in wanted.sites}
    kept = [name for name in new if name in old and _place(new[name]) == _place(old[name])]
    asked = {service.name: service for service in services}
    stays = {f"{name}/pacs" for name in kept} | ({"hub"} if present else set())
    started = {service.name: service for service in running if service.place in stays}
    # A generator that stands beside a site that is built anew has lost its place, or its peer.
    steady = {one for one in generators if one.site in kept}
    sending = traffic.generators(wanted)
    return Changes(
        add=tuple(name for name in new if name not in kept),
        remove=tuple(name for name in old if name not in kept),
        relink=tuple(name for name in kept if new[name].link != old[name].link),
        restart=tuple(n for n, service in asked.items() if service.place in stays and started.get(n) != service),
        toxics=tuple(name for name in kept if _toxics_differ(old[name], new[name], running)),
        shared_links=present is None or (present.hub, present.regions) != (wanted.hub, wanted.regions),
        tree=present is None or _tree(present) != _tree(wanted),
        policy=present is None or _policy(present) != _policy(wanted),
        traffic=tuple(one.name for one in sending if one not in steady),
        quiet=tuple(one.name for one in generators if one not in steady or one not in sending),
        other=present != wanted,
    )
