"""The warehouse: an archive at the hub, which holds the studies of all sites that are to be filled from it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emulator.places import Service
from emulator.topology.resolved import Cohort, Compute, Site, Topology
from nodes.endpoints import Endpoint
from nodes.errors import WrongInput
from nodes.pacs import flavours

PLACE = "hub"


@dataclass(frozen=True)
class Warehouse(Site):
    """The archive as a site of its own: number 0, whose PACS's address is the hub's. `parts` are the sites whose
    studies it holds.
    """

    parts: tuple[Site, ...] = ()


def warehouse(topology: Topology) -> Warehouse | None:
    """A topology's warehouse, or None."""
    if topology.warehouse is None:
        return None
    parts = waiting(topology)
    studies = sum(part.cohort.studies for part in parts)
    cohort = Cohort("phantom", studies, {}, "", (), "single-frame")
    pacs = topology.warehouse.pacs
    return Warehouse(0, PLACE, PLACE, "namespace", topology.hub.link, pacs, cohort, Compute(0.0), parts=parts)


def waiting(topology: Topology) -> tuple[Site, ...]:
    """The sites that are filled from it."""
    return tuple(site for site in topology.sites if site.cohort.warehouse)


def parts(site: Site) -> tuple[Site, ...]:
    """Whose studies lie in a site's storage: its own, but in a warehouse."""
    return site.parts if isinstance(site, Warehouse) else (site,)


def baked(topology: Topology) -> Sequence[Site]:
    """Everything whose storage is baked: sites that have their studies from the start, and the warehouse."""
    own = [site for site in topology.sites if not site.cohort.warehouse]
    found = warehouse(topology)
    return [*own, found] if found and found.parts else own


def endpoint(site: Site) -> Endpoint:
    """How the warehouse is reached, or a site that is filled from it. Raises WrongInput for a warehouse without
    DICOMweb.
    """
    found = flavours.get(site.pacs.flavour).endpoint(site)
    if isinstance(site, Warehouse) and found.dicomweb is None:
        raise WrongInput(
            f"warehouse: its PACS '{site.pacs.profile}' ({site.pacs.flavour}) speaks no DICOMweb, by which sites fetch "
            "what they are filled with; take a profile that does"
        )
    return found


def services(site: Warehouse, storage: Path | None) -> tuple[Service, ...]:
    """Its servers, at the hub. Raises as `endpoint` does, for it and the sites that are filled from it."""
    for one in (site, *site.parts):
        endpoint(one)
    return tuple(replace(one, place=PLACE) for one in flavours.get(site.pacs.flavour).services(site, storage))
