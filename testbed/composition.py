"""Puts the packages below together: a topology's words, its cohorts, its services, its world."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from emulator import machines, toxics, traffic
from emulator import topology as topologies
from emulator.errors import WrongInput
from emulator.images.definitions import names as images
from emulator.places import Service
from emulator.topology import Known, MachineKind, Topology
from emulator.topology.fields import LONGEST_NAME, is_name
from emulator.topology.machine import guest
from emulator.topology.words import Stock
from emulator.worlds import Changes, Early, World, changes, home
from nodes import cohorts, imports, warehouse
from nodes.cohorts import scanners
from nodes.pacs import flavours
from testbed import readings
from testbed.progress import Report


@dataclass(frozen=True)
class Plan:
    """What `up` would do. `up`: the world is up now; `bake`: sites whose studies are not baked yet."""

    up: bool
    bake: tuple[str, ...]
    changes: Changes


def known() -> Known:
    """The words that a topology may use for what these packages offer."""
    from trainer import algorithms, tasks

    return Known(
        flavours=frozenset(flavours.names()),
        scanners=frozenset(scanners.names()),
        tasks=frozenset(tasks.names()),
        algorithms=frozenset(algorithms.names()),
        cohorts={name: Stock(found.content, found.labels) for name, found in imports.listed(home()).items()},
        options={name: flavours.get(name).form for name in flavours.names()},
        images=frozenset(images()),
        on_vm=frozenset({"orthanc"}),
    )


def read(path: Path) -> Topology:
    """The topology in a file, checked. Raises `TopologyErrors` with all that is wrong in it."""
    stock = [(name, found.content, sorted(found.labels.items())) for name, found in imports.listed(home()).items()]
    return readings.read(
        path, [*stock, sorted(images())], cache() / "topologies", lambda file: topologies.load_naming(file, known())
    )


def on_machines(topology: Topology, kind: MachineKind | None) -> Topology:
    """The topology with every PACS on one kind of machine (None: as it says itself)."""
    if kind is None:
        return topology
    of_vm = {site.name: site.guest or guest() for site in topology.sites} if kind == "vm" else {}
    sites = tuple(replace(site, machine=kind, guest=of_vm.get(site.name)) for site in topology.sites)
    return replace(topology, sites=sites)


def world_name(name: str) -> str:
    """The name itself, where a folder and a command line can carry it. Raises `WrongInput`."""
    if not is_name(name):
        expected = f"1 to {LONGEST_NAME} of a-z, 0-9 and '-', not '-' first"
        raise WrongInput(f"--name: '{name}' can't name a world; expected {expected}")
    return name


def services(topology: Topology, storages: Mapping[str, Path | None]) -> tuple[Service, ...]:
    """The PACS of every site, each over its baked storage, and the warehouse's."""
    each = (flavours.get(site.pacs.flavour).services(site, storages[site.name]) for site in topology.sites)
    central = warehouse.warehouse(topology)
    at_hub = warehouse.services(central, storages.get(central.name)) if central else ()
    return (*chain.from_iterable(each), *at_hub)


def bring_up(topology: Topology, name: str, wan: str | None, report: Report, early: Early | None = None) -> World:
    """Bakes what is not baked, then brings the world up, or changes it where it is up already. `early`: what was begun
    for it.
    """
    baked = warehouse.baked(topology)
    if cohorts.lacking(baked, topology.seed, cache()):
        _prove(topology, name, wan)
    storages = {**cohorts.bake(baked, topology.seed, cache(), report), **_empty(topology)}
    for storage in _empty(topology).values():
        storage.mkdir(parents=True, exist_ok=True)
    return World.up(topology, name, services(topology, storages), wan, report, early)


def _empty(topology: Topology) -> dict[str, Path]:
    """What sites that are filled from the warehouse begin with: nothing, under a name that changes with what they are
    to have, so that another cohort starts on a fresh layer.
    """
    waiting = warehouse.waiting(topology)
    return {site.name: cache() / "empty" / cohorts.key_of(site, topology.seed) for site in waiting}


def _prove(topology: Topology, name: str, wan: str | None) -> None:
    """Baking takes minutes: what forbids a world is said before it. Raises `CannotHere`, `WrongInput`."""
    if World.present(name) is None:
        World.prove(wan)
    toxics.servers(topology)
    traffic.prove(topology)
    machines.refuse(topology.sites, services(topology, dict.fromkeys(site.name for site in topology.sites)))


def planned(topology: Topology, name: str) -> Plan:
    """What `bring_up` would do; does none of it."""
    baked = warehouse.baked(topology)
    bake = cohorts.lacking(baked, topology.seed, cache())
    wanted = services(topology, {**cohorts.storages(baked, topology.seed, cache()), **_empty(topology)})
    present = World.present(name)
    if present is None:
        return Plan(False, bake, changes(None, (), topology, wanted))
    return Plan(True, bake, present.planned(topology, wanted))


def cache() -> Path:
    """Where baked cohorts are kept, shared by all worlds of this home."""
    return home() / "cache"
