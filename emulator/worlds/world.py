"""A world, from outside: up, reach in, down."""

import contextlib
import datetime
import difflib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from emulator import events, machines, policy, toxics, traffic
from emulator import wan as kernels
from emulator.errors import CannotHere, Fell, WorldBusy, WrongInput, WrongState
from emulator.inside.init import AGENT_SOCKET
from emulator.inside.keeper import kept
from emulator.machines import Progress
from emulator.places import Service
from emulator.reach import Agent, Attached
from emulator.topology.resolved import Change, Flow, Link, Site, Topology, Toxic
from emulator.wiring import MOST_SITES
from emulator.worlds import birth, playing
from emulator.worlds.build import Builder
from emulator.worlds.changes import Changes, changes
from emulator.worlds.early import Early
from emulator.worlds.home import home, locked, world_folder
from emulator.worlds.links import Links, forget_changes
from emulator.worlds.machines import Machines
from emulator.worlds.record import (
    State,
    WorldEntry,
    WorldRecord,
    by_name,
    keep_names,
    keep_topology,
    kept_topology,
    service_folder,
)
from emulator.worlds.traffic import Traffic

if TYPE_CHECKING:
    from ssl import SSLContext

    from httpx import HTTPTransport

    from emulator.worlds.faults import Faults
    from emulator.worlds.toxics import Poisoner

Stream = int | IO[bytes] | None
_PATIENCE_S = 10.0  # for another command that changes a link: milliseconds, on a busy machine more


class World:
    """One topology that is up. Get one by `World.up` or `World.open`."""

    def __init__(self, folder: Path, topology: Topology, record: WorldRecord) -> None:
        self.folder = folder
        self.topology = topology
        self.record = record
        self._agent = Agent(folder)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def machines(self) -> Machines:
        """What its PACS run on."""
        return Machines(self.folder, self.topology, self.record, self._agent)

    @property
    def state(self) -> State:
        return self.record.state if self.record.alive() and self._router_runs() else "broken"

    @classmethod
    def open(cls, name: str | None) -> Self:
        """The world of that name, or the only one. Raises `WrongState` when there is none, or several."""
        if name is None:
            name = _the_only_one()
        record = WorldRecord.read(world_folder(name))
        if record is None:
            up = ", ".join(entry.name for entry in ls() if entry.state == "up") or "none"
            raise WrongState(f"world '{name}' is not up (up: {up}); bring it up with: testbed up TOPOLOGY")
        return cls(world_folder(name), kept_topology(world_folder(name)), record)

    @classmethod
    def present(cls, name: str) -> Self | None:
        """The world of that name if it is whole and running, else None."""
        record = WorldRecord.read(world_folder(name))
        if record is None or record.state != "up" or not record.alive():
            return None
        world = cls(world_folder(name), kept_topology(world_folder(name)), record)
        return world if world.state == "up" else None

    def _router_runs(self) -> bool:
        """Whether the WAN's kernel is there, where it is a process of its own, and who plays the links that vary."""
        folders = [self.folder / "router", playing.player_folder(self.folder)]
        needed = [str(folder) for folder in folders if (folder / "pid").exists()]
        if not needed:
            return True
        try:
            return self._agent.alive(needed) == {*needed}
        except (Fell, WrongState):
            return False

    @staticmethod
    def prove(wan: str | None) -> None:
        """Whether a world could be brought up here, in a fraction of a second and before anything is made for it.

        Raises `CannotHere` where there are no namespaces or no WAN kernel, `WrongInput` for a kernel that is unknown.
        """
        birth.prove()
        kernels.choose(wan)

    @classmethod
    def up(
        cls,
        topology: Topology,
        name: str,
        services: Sequence[Service],
        wan: str | None,
        progress: Progress,
        early: Early | None = None,
    ) -> Self:
        """Bring a world up, or change one that is up by just the difference. `early`: what was begun for it.

        An error or an interrupt takes away what a first `up` has made. A change that was interrupted is made good by
        the next `up`, which builds the world anew. Raises `CannotHere`, `WorldBusy`, `Fell`.
        """
        cls._end_faults(name)
        with locked(name):
            present = cls.present(name)
            if present is None:
                return cls._create(topology, name, services, wan, progress, early)
            if wan is not None and wan != present.record.wan:
                raise WrongState(
                    f"world '{name}' runs on WAN kernel '{present.record.wan}'; take it down to change that"
                )
            present._change(topology, services, progress)
            return present

    @classmethod
    def _end_faults(cls, name: str) -> None:
        """A topology is brought up whole. Before the lock is taken: what undoes a fault of a link needs that."""
        present = cls.present(name)
        if present is not None and (on := tuple(kept(present.folder))):
            present.faults().end([fault.id for fault in on])

    @classmethod
    def _create(
        cls,
        topology: Topology,
        name: str,
        services: Sequence[Service],
        wan: str | None,
        progress: Progress,
        early: Early | None,
    ) -> Self:
        began = time.monotonic()
        kernel = kernels.choose(wan)
        topology = kernel.fitted(topology)
        _refuse_impossible(topology, services)
        folder = world_folder(name)
        _clear(folder)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record = WorldRecord(name, "starting", kernel.name, now, 0.0, 0, "", "", ())
        begun: birth.Begun | None = None
        try:
            begun = early.take() if early else None
            if begun:
                begun = begun.moved(folder)
            if begun is None:
                folder.mkdir(parents=True, mode=0o700)
            keep_names(folder, topology)
            keep_topology(folder, topology)  # before the record: who finds that may read this
            record.write(folder)
            with birth.born(begun or birth.begin(folder), record) as (agent, born):
                builder = Builder(folder, agent, kernel, progress)
                if begun is None:
                    builder.begin()
                builder.prepare(topology.sites)
                with ThreadPoolExecutor(1) as beside:  # the router takes its queues before the servers want its turn
                    shaped = beside.submit(builder.shape, topology, "new")
                    builder.add_sites(topology.sites, services, topology)
                    builder.start_at_hub(services)
                    shaped.result()
                flows = Traffic(folder, agent)
                flows.sink(topology)
                flows.start(traffic.generators(topology))
                builder.wait(services, topology.sites)
                playing.vary(folder, agent, topology, kernel.name)
                _turn_toxics(folder, agent, [site for site in topology.sites if site.toxics], progress)
                running = (*services, *toxics.servers(topology))
                record = replace(born, state="up", services=running, up_s=time.monotonic() - began).write(folder)
        except BaseException:
            if begun:
                begun.undo()
            birth.erase(folder)
            raise
        events.write(folder, "up", topology=topology.name, sites=len(topology.sites), wan=kernel.name)
        return cls(folder, topology, record)

    def planned(self, topology: Topology, services: Sequence[Service]) -> Changes:
        """What `up` would change; services that have died count as changed, and links that were changed by hand."""
        return self._planned(kernels.choose(self.record.wan).fitted(topology), services)

    def _planned(self, topology: Topology, services: Sequence[Service]) -> Changes:
        alive = self._alive()
        running = [service for service in self.record.services if service.name in alive]
        plan = changes(self.topology, running, topology, services, self._traffic().running(self.topology))
        by_hand = [name for name in self._links().by_hand() if name not in (*plan.relink, *plan.add, *plan.remove)]
        return replace(plan, relink=(*plan.relink, *by_hand))

    def _links(self) -> Links:
        return Links(self.folder, self.topology, self._agent, self.record.wan)

    def links(self) -> dict[str, Link]:
        """Every site's link as it is now: the topology's, as it varies, and as it was changed by hand."""
        return self._links().now()

    def changed_links(self) -> Mapping[str, tuple[Change, Change]]:
        """What was changed by hand and not reset, by site: down and up."""
        return self._links().by_hand()

    def link(self, site: str) -> Link:
        """One site's link as it is now; a change of it that was cut short is undone. Raises `WrongInput`."""
        self._links().site(site)
        with contextlib.suppress(WorldBusy), locked(self.name):
            self._links().settle()
        return self.links()[site]

    def change_link(self, site: str, down: Change, up: Change) -> Link:
        """Change a site's link while traffic flows, without losing what waits; the link as it is now.

        Raises `WrongInput` for an unknown site or impossible values, `Fell` where the router refuses them, `WorldBusy`.
        Whatever it raises, the link is as it was before.
        """
        more_than_rates = any(replace(way, rate_bps=None) != Change() for way in (down, up))
        if more_than_rates and not kernels.choose(self.record.wan).netem:
            raise CannotHere(f"WAN kernel {self.record.wan} has no netem: only the rate of a link can be changed")
        with locked(self.name, _PATIENCE_S):
            return self._links().change(site, down, up)

    def reset_link(self, site: str) -> Link:
        """Give a site's link back to the topology; the link as it is now. Raises as `change_link` does."""
        with locked(self.name, _PATIENCE_S):
            return self._links().reset(site)

    def _change(self, topology: Topology, services: Sequence[Service], progress: Progress) -> None:
        topology = kernels.choose(self.record.wan).fitted(topology)
        plan = self._planned(topology, services)
        if not plan.any:
            return
        _refuse_impossible(topology, services)
        began = time.monotonic()
        kernel = kernels.choose(self.record.wan)
        self.record = replace(self.record, state="changing").write(self.folder)
        builder = Builder(self.folder, self._agent, kernel, progress)
        old = {site.name: site for site in self.topology.sites}
        new = {site.name: site for site in topology.sites}
        asked = by_name(services)
        flows = self._traffic()
        flows.stop([one for one in traffic.generators(self.topology) if one.name in plan.quiet])
        builder.prepare([new[n] for n in plan.add])
        builder.remove_sites([old[n] for n in plan.remove], self.record.services)
        fresh = [service for service in services if service.site in plan.add]
        builder.add_sites([new[n] for n in plan.add], fresh, topology)
        playing.stand_still(self.folder, self._agent, topology, kernel.name)
        builder.shape(topology, "other sites" if plan.tree else "same sites")
        flows.sink(topology, self.topology)
        flows.start([one for one in traffic.generators(topology) if one.name in plan.traffic])
        builder.stop([one for one in self.record.services if one.place == "hub" and one.name not in asked])
        again = [asked[n] for n in plan.restart]
        builder.restart(again, self.record.services, topology.sites)
        builder.wait([*fresh, *again], topology.sites)
        poisoned = [new[n] for n in (*plan.add, *plan.toxics) if n in plan.toxics or new[n].toxics]
        _turn_toxics(self.folder, self._agent, poisoned, progress)
        forget_changes(self.folder)
        playing.vary(self.folder, self._agent, topology, kernel.name)
        keep_topology(self.folder, topology)
        keep_names(self.folder, topology)
        self.topology = topology
        took = time.monotonic() - began
        running = (*services, *self._servers(topology, (*plan.add, *plan.toxics)))
        self.record = replace(self.record, state="up", services=running, up_s=took).write(self.folder)
        events.write(self.folder, "changed", add=plan.add, remove=plan.remove, relink=plan.relink, restart=plan.restart)

    def _servers(self, topology: Topology, turned: Sequence[str]) -> list[Service]:
        """The Toxiproxy of each site that has toxics, and those that were begun for a toxic of the moment."""
        asked = by_name(toxics.servers(topology))
        kept = {site.name for site in topology.sites} - set(turned)
        begun = [s for s in self.record.services if toxics.is_server(s) and s.place in kept and s.name not in asked]
        return [*asked.values(), *begun]

    def _alive(self) -> frozenset[str]:
        folders = {str(service_folder(self.folder, s.name)): s.name for s in self.record.services}
        alive = [folders[folder] for folder in self._agent.alive(list(folders))]
        machines = self.machines
        return frozenset(name for name in alive if not machines.ended(name))

    def services(self) -> dict[str, bool]:
        """Every service and whether its process runs."""
        alive = self._alive()
        return {service.name: service.name in alive for service in self.record.services}

    def _traffic(self) -> Traffic:
        return Traffic(self.folder, self._agent)

    def flows(self) -> list[tuple[Flow, bool]]:
        """Every flow of background traffic, and whether its generator runs."""
        ends = {(one.place, one.site) for one in self._traffic().running(self.topology)}
        flows = self.topology.traffic
        return [(flow, bool(ends & {(flow.source, flow.source), (flow.source, flow.target)})) for flow in flows]

    def refused(self) -> dict[str, policy.Refused]:
        """Packets that the policy refused, by the place that sent them (`hub` or a site), since the world came up."""
        code, printed = self._agent.output("wan", policy.COUNTERS)
        if code:
            raise Fell(f"world '{self.name}': its policy's counters can't be read: {printed.strip()}")
        return policy.refused(printed, self.topology.sites)

    def places(self) -> tuple[str, ...]:
        kinds = ("", "/pacs", "/worker")
        return "hub", "wan", *(site.name + kind for site in self.topology.sites for kind in kinds)

    def _known(self, place: str) -> str:
        known = self.places()
        if place not in known:
            near = difflib.get_close_matches(place, known, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise WrongInput(
                f"world '{self.name}' has no place '{place}'{hint} Places: hub, wan, SITE, SITE/pacs, SITE/worker"
            )
        return place

    def run(
        self,
        place: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> Attached:
        """Start a program at a place; it ends with this process. Streams not given are this process's own."""
        given = ((stdin, sys.__stdin__), (stdout, sys.__stdout__), (stderr, sys.__stderr__))
        with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - also stands in for a stream that is closed
            fds = [_descriptor(stream, own, nothing) for stream, own in given]
            there, called = self.machines.command(self._known(place), argv)
            return self._agent.run(there, called, env or {}, cwd, (fds[0], fds[1], fds[2]))

    def output(self, place: str, argv: Sequence[str]) -> tuple[int, str]:
        """Run a short program at a place: its exit code and what it printed."""
        return self._agent.output(*self.machines.command(self._known(place), argv))

    def connect(self, place: str, host: str, port: int, timeout_s: float = 5.0) -> socket.socket:
        """A TCP connection made from inside a place. Raises `Fell`. Thread-safe."""
        return self._agent.connect(self.machines.seen_from(self._known(place)), host, port, timeout_s)

    def transport(self, place: str, tls: "SSLContext | None" = None) -> "HTTPTransport":
        """For httpx clients: requests go out from inside a place."""
        from emulator.worlds.transport import PlaceTransport  # httpx takes 60 ms to import, which `up` has no use for

        there = self.machines.seen_from(self._known(place))
        return PlaceTransport(lambda host, port, timeout_s: self._agent.connect(there, host, port, timeout_s), tls)

    def _poisoner(self) -> "Poisoner":
        from emulator.worlds.toxics import Poisoner  # it speaks HTTP, and httpx takes 80 ms to import

        return Poisoner(self.folder, self._agent)

    def toxics(self, site: str) -> tuple[Toxic, ...]:
        """The toxics that are on at a site now. Raises `Fell` where its Toxiproxy has ended."""
        found = self._site(site)
        recorded = any(service.name == toxics.server_name(found) for service in self.record.services)
        return self._poisoner().present(found) if recorded else ()

    def add_toxic(self, site: str, toxic: Toxic) -> None:
        """Put a toxic on at a site, wholly or not at all; the next `up` of another topology there takes it off.

        Raises `WrongInput` where the port doesn't answer, `WrongState` where it is on already, `CannotHere` without
        Toxiproxy.
        """
        with locked(self.name):
            found = self._site(site)
            server = toxics.server(found)
            before = self.record
            if server.name not in by_name(before.services):  # first, so that none runs that nobody knows of
                self.record = replace(before, services=(*before.services, server)).write(self.folder)
            try:
                self._poisoner().add(found, toxic)
            except BaseException:
                self.record = before.write(self.folder)
                raise

    def remove_toxic(self, site: str, toxic: Toxic) -> None:
        """Take a toxic off, whatever its figures. Raises `WrongState` where it is not on."""
        with locked(self.name):
            if not self.toxics(site):
                raise WrongState(f"site '{site}' of world '{self.name}' has no toxics on")
            self._poisoner().remove(self._site(site), toxic)

    def faults(self) -> "Faults":
        """What can be broken in this world, and is."""
        from emulator.worlds.faults import Faults  # its forms take 30 ms to build, for those who break things

        return Faults(self.folder, self.topology, self.record.services)

    def _site(self, name: str) -> Site:
        found = [site for site in self.topology.sites if site.name == self._known(name)]
        if not found:
            raise WrongInput(f"'{name}' is no site of world '{self.name}'; a site's name is wanted")
        return found[0]

    def memory_bytes(self) -> int:
        """The proportional set size of all the world's processes, added up."""
        return self._agent.memory_bytes()

    @staticmethod
    def down(name: str) -> bool:
        """End a world and remove its folder; False when there was none. Nothing of it is left afterwards."""
        with locked(name):
            folder = world_folder(name)
            existed = folder.exists()
            _clear(folder)
            return existed


def _turn_toxics(folder: Path, agent: Agent, sites: Sequence[Site], progress: Progress) -> None:
    if sites:
        from emulator.worlds.toxics import Poisoner

        Poisoner(folder, agent).turn_all(sites, progress)


def _descriptor(stream: Stream, own: IO[str] | None, nothing: IO[bytes]) -> int:
    if isinstance(stream, int):
        return nothing.fileno() if stream == subprocess.DEVNULL else stream
    if stream is not None:
        return stream.fileno()
    return own.fileno() if own is not None and not own.closed else nothing.fileno()


def _clear(folder: Path) -> None:
    """Take away what is left of a world: its init, if it runs, and its folder."""
    record = WorldRecord.read(folder)
    if record is not None:
        birth.end(record)
    elif (folder / AGENT_SOCKET).exists():  # the record can't be read; the world behind the socket must not be lost
        with contextlib.suppress(WrongState):
            birth.end(WorldRecord.unknown(folder.name).with_init(Agent(folder).init_pid()))
    birth.erase(folder)


def _refuse_impossible(topology: Topology, services: Sequence[Service]) -> None:
    if len(topology.sites) > MOST_SITES:
        raise CannotHere(f"{len(topology.sites)} sites; one world has at most {MOST_SITES}: its WAN is one bridge")
    traffic.prove(topology)
    toxics.servers(topology)
    machines.refuse(topology.sites, services)


def _the_only_one() -> str:
    names = [entry.name for entry in ls()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise WrongState("no world is up; bring one up with: testbed up TOPOLOGY")
    raise WrongState(f"several worlds are up ({', '.join(names)}); say which")


def ls() -> list[WorldEntry]:
    """Every world of this home, sorted by name; `broken` when its init is gone."""
    entries = []
    for folder in sorted((home() / "worlds").glob("*")):
        record = WorldRecord.read(folder)
        if record is None:
            entries.append(WorldEntry(folder.name, "broken", 0, 0))
            continue
        state: State = record.state if record.alive() else "broken"
        try:
            sites = len(kept_topology(folder).sites)
        except (WrongInput, OSError):  # another version's, or gone meanwhile
            state, sites = "broken", 0
        entries.append(WorldEntry(record.name, state, sites, record.init_pid))
    return entries
