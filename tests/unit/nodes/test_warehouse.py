"""A warehouse holds what its sites are to have, under a key of just that."""

import shutil
from dataclasses import replace

import pytest

from emulator.topology.resolved import (
    Cohort,
    Compute,
    Direction,
    Hub,
    Link,
    Pacs,
    Site,
    Topology,
    Training,
    Warehouse,
)
from nodes import warehouse
from nodes.cohorts.keys import key_of

LINK = Link("l", Direction(1_000_000, 0.01), Direction(1_000_000, 0.01))
COHORT = Cohort("phantom", 3, {"control": 1, "mci": 1, "ad": 1}, "3T", ("mr",), "multi-frame", warehouse=True)
ORTHANC = Pacs("modern", "orthanc")


def _topology(*sites: Site) -> Topology:
    training = Training("dementia", "fedavg", 1, 1, 8, 0.01, 0.25, True)
    return Topology("x", 7, Hub(LINK), sites, training, warehouse=Warehouse(ORTHANC))


def _site(index: int, cohort: Cohort = COHORT, pacs: Pacs = ORTHANC) -> Site:
    return Site(index, f"s{index}", "s", "namespace", LINK, pacs, cohort, Compute(0.01))


def _central(*sites: Site) -> warehouse.Warehouse:
    found = warehouse.warehouse(_topology(*sites))
    assert found is not None
    return found


def test_what_is_baked_are_the_warehouse_and_the_sites_that_are_not_filled_from_it() -> None:
    topology = _topology(_site(1), _site(2, replace(COHORT, warehouse=False)), _site(3))
    assert [site.name for site in warehouse.baked(topology)] == ["s2", "hub"]
    assert _central(*topology.sites).cohort.studies == 6
    assert [part.name for part in _central(*topology.sites).parts] == ["s1", "s3"]


def test_its_key_is_of_what_it_holds_and_not_of_the_sites_own_pacs() -> None:
    key = key_of(_central(_site(1), _site(2)), 7)
    other_pacs = Pacs("slow", "orthanc", {"web": {"first_byte": "1s"}})
    assert key_of(_central(_site(1), _site(2, pacs=other_pacs)), 7) == key
    assert key_of(_central(_site(1)), 7) != key
    assert key_of(_central(_site(1), _site(2, replace(COHORT, scanner="1.5T"))), 7) != key
    assert key_of(_central(_site(1), _site(2)), 8) != key


def test_it_stands_at_the_hub() -> None:
    central = _central(_site(1))
    if not shutil.which("Orthanc", path="/usr/sbin:/usr/bin"):
        pytest.skip("Orthanc is not installed")
    (service,) = warehouse.services(central, None)
    assert (service.name, service.place, service.site) == ("hub/pacs", "hub", "hub")
    assert warehouse.endpoint(central).host == "10.0.0.2"
