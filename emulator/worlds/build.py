"""Doing what a plan says to a world: places, cables, queues, policy, services."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from emulator import distributions, duplicates, ledger, policy, shaping, wiring
from emulator.errors import Fell
from emulator.machines import Ground, Machine, Placed, Progress, machine_of, machine_under
from emulator.places import Service, pacs_address
from emulator.reach import Agent
from emulator.topology.resolved import Site, Topology
from emulator.wan import WanKernel
from emulator.wan.router import Router
from emulator.worlds.home import home
from emulator.worlds.record import by_name, service_folder

T = TypeVar("T")
_SITES_AT_ONCE = 50  # few messages: while servers start, each answer waits for its turn on a processor
_SITES_A_MESSAGE = 100
_ANSWER_S = 120.0


class Builder:
    """Builds in one world. `progress(what, done, of)` is told of every step."""

    def __init__(self, folder: Path, agent: Agent, kernel: WanKernel, progress: Progress) -> None:
        self._folder = folder
        self._agent = agent
        self._kernel = kernel
        self._router = Router(folder, agent, kernel)
        self._progress = progress
        self._ground = Ground(folder, home() / "cache", agent, progress)

    def _router_folder(self) -> str:
        folder = self._folder / "router"
        folder.mkdir(exist_ok=True)
        return str(folder)

    def begin(self) -> None:
        """The WAN's bridge and its router, which boots while the rest is built; and the hub."""
        self._agent.add_places(["wan", *self._kernel.places(), "hub"], wiring.SETTINGS)
        self._agent.configure([wiring.wan()])
        self._agent.configure(self._kernel.cable())
        self._kernel.start(self._agent, self._router_folder())
        self._agent.configure([wiring.uplinks([(0, "hub")]), wiring.hub()])

    def prepare(self, sites: Sequence[Site]) -> None:
        """Let machines begin with what takes time and needs none of the sites."""
        for machine, its in _by_kind((machine_of(site), site) for site in sites):
            machine.prepare(self._ground, its)

    def add_sites(self, sites: Sequence[Site], services: Sequence[Service], topology: Topology) -> None:
        """Build sites, many at once, and start their services, which need not answer yet.

        The policy over the whole `topology` is set before anything can be sent.
        """
        self._lay_uplinks(sites)
        self._guard(topology)
        mtus = {site.name: mtu for site, mtu in shaping.mtus(topology)}
        for start in range(0, len(sites), _SITES_AT_ONCE):
            some = sites[start : start + _SITES_AT_ONCE]
            self._agent.configure(step for site in some for step in self._steps(site, mtus[site.name]))
            self._launch([service for service in services if service.site in {site.name for site in some}], some)
            self._progress("sites", start + len(some), len(sites))

    def start_at_hub(self, services: Sequence[Service]) -> None:
        """Start the services that stand at the hub; they need not answer yet."""
        self._launch([service for service in services if service.place == "hub"], [])

    def _steps(self, site: Site, mtu: int) -> tuple[wiring.Step, ...]:
        return *wiring.site_steps(site, mtu), *machine_of(site).cable(site), ledger.counters(site)

    def _lay_uplinks(self, sites: Sequence[Site]) -> None:
        """Places and cables to the WAN, many sites a message: its size is bounded."""
        for start in range(0, len(sites), _SITES_A_MESSAGE):
            some = sites[start : start + _SITES_A_MESSAGE]
            places = [place for site in some for place in (*wiring.places(site), *machine_of(site).places(site))]
            self._agent.add_places(places, wiring.SETTINGS)
            self._agent.configure([wiring.uplinks([(site.index, site.name) for site in some])])

    def remove_sites(self, sites: Sequence[Site], services: Iterable[Service]) -> None:
        """Take sites away; their services are stopped together, since each may take seconds."""
        names = {site.name for site in sites}
        leaving = [service for service in services if service.site in names]
        self.stop(leaving, sites)
        for placed in self._placed(leaving, sites):
            machine_under(placed).forget(placed)
        for site in sites:
            self._agent.configure([wiring.forget_uplink(site.index)])
            self._agent.remove_places([*wiring.places(site), *machine_of(site).places(site)])

    def _guard(self, topology: Topology) -> None:
        """Set the policy and the bridge's table for the sites that are there now."""
        indices = [site.index for site in topology.sites]
        self._agent.configure([wiring.known_ports([0, *indices]), *policy.rules(topology)])

    def shape(self, topology: Topology, tree: Literal["new", "other sites", "same sites"]) -> None:
        """Give the router its routes and queues. With the same sites, values change in place and nothing is lost."""
        self._kernel.wait(self._agent, self._router_folder())
        routes, queues = shaping.routes(topology), shaping.queues(topology)
        if tree != "same sites":
            cleared = ["qdisc delete dev @DEV@ root"] if tree == "other sites" else []
            queues = [*cleared, *shaping.root(), *queues, *shaping.lookups(topology)]
        present = [] if tree == "new" else self._router.detours()
        wanted = duplicates.detours(topology)
        routes += duplicates.devices(wanted, present)
        queues += duplicates.queues(wanted, redirected=bool(present))
        self._router.ip(routes)
        if tree != "new":
            self._agent.configure(wiring.way_out(site, mtu) for site, mtu in shaping.mtus(topology))
        distributions.lay_out(self._router.tables, shaping.tables(topology))
        self._router.tc(queues)

    def restart(self, services: Sequence[Service], before: Sequence[Service], sites: Sequence[Site]) -> None:
        """Stop services, where they run, and start them as they are wanted now; changed ones on a fresh layer."""
        self.stop([service for service in before if service.name in by_name(services)], sites)
        for placed in self._placed([service for service in services if service not in before], sites):
            machine_under(placed).forget(placed)
        self._launch(services, sites)

    def wait(self, services: Sequence[Service], sites: Sequence[Site]) -> None:
        """Wait until every service answers."""
        for done, placed in enumerate(self._placed(services, sites), 1):
            self._await(placed)
            self._progress("PACS answering", done, len(services))

    def _placed(self, services: Sequence[Service], sites: Sequence[Site]) -> list[Placed]:
        at = {site.name: site for site in sites}
        return [Placed(one, service_folder(self._folder, one.name), at.get(one.site)) for one in services]

    def _launch(self, services: Sequence[Service], sites: Sequence[Site]) -> None:
        """Start services, each kind of machine all that are its own."""
        for machine, placed in _by_kind((machine_under(one), one) for one in self._placed(services, sites)):
            machine.start(self._ground, placed)

    def _await(self, placed: Placed) -> None:
        service, machine = placed.service, machine_under(placed)
        try:
            self._agent.wait_ready(
                machine.seen_from(service.place),
                pacs_address(placed.site.index if placed.site else 0),
                service.ready_port,
                service.ready_path,
                _ANSWER_S,
                str(placed.folder),
            )
        except Fell as error:
            last = machine.log(self._ground, placed)
            raise Fell(f"{service.name} at {service.place} did not come up: {error}\n{last}") from error

    def stop(self, services: Sequence[Service], sites: Sequence[Site] = ()) -> None:
        """Stop services, each kind of machine all that are its own; those of no site of these stand at the hub."""
        for machine, placed in _by_kind((machine_under(one), one) for one in self._placed(services, sites)):
            machine.stop(self._ground, placed)


def _by_kind(pairs: Iterable[tuple[Machine, T]]) -> Iterable[tuple[Machine, list[T]]]:
    """Things by the kind of their machine: namespaces, which take no time, first."""
    found: dict[str, tuple[Machine, list[T]]] = {}
    for machine, thing in pairs:
        found.setdefault(machine.kind, (machine, []))[1].append(thing)
    return [found[kind] for kind in sorted(found)]
