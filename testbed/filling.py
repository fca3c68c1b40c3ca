"""Filling a world's sites from its warehouse."""

from collections.abc import Mapping

from emulator.errors import WrongState
from emulator.worlds import World
from emulator.worlds.scratch import scratch
from nodes import cohorts, warehouse
from nodes.cohorts import holdings
from nodes.filling import Filled, Need, fill
from testbed.composition import cache
from testbed.inspection import AsSeenAt
from testbed.progress import Report


def fill_world(world: World, report: Report) -> list[Filled]:
    """Bring every site that is to be filled from the warehouse what it lacks. Raises `WrongState` where no site is."""
    central = warehouse.warehouse(world.topology)
    if central is None or not central.parts:
        raise WrongState(
            f"world '{world.name}' has no site to fill: none has 'cohort: {{from: warehouse}}' in its topology"
        )
    with scratch("filling") as spool:
        return fill(_needs(world, central), warehouse.endpoint(central), spool, report)


def held(world: World, central: warehouse.Warehouse) -> Mapping[str, Mapping[str, int]]:
    """What the warehouse holds: instances by study, by the name of the site whose it is. Raises `WrongState`."""
    entry = cohorts.storages([central], world.topology.seed, cache())[central.name].parent
    try:
        return holdings.read(entry)
    except OSError as error:
        raise WrongState(f"what the warehouse holds is not in the cache any more ({error}); run up again") from error


def _needs(world: World, central: warehouse.Warehouse) -> list[Need]:
    found = held(world, central)
    return [
        Need(
            site.name,
            warehouse.endpoint(site),
            AsSeenAt(world, f"{site.name}/worker"),
            found[site.name],
        )
        for site in central.parts
    ]
