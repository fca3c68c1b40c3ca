"""The topologies and the link profiles that come with the testbed."""

from pathlib import Path

import pytest

from emulator.topology import Known, Topology, dump, load, revive
from emulator.topology.document import LinkDocument
from emulator.topology.profiles import shipped


@pytest.fixture(scope="module")
def fifty(known: Known, shipped_topologies: Path) -> Topology:
    return load(shipped_topologies / "50_sites.yaml", known)


@pytest.fixture(scope="module")
def quickstart(known: Known, shipped_topologies: Path) -> Topology:
    return load(shipped_topologies / "quickstart.yaml", known)


def test_the_quickstart_has_four_sites(quickstart: Topology) -> None:
    assert len(quickstart.sites) == 4
    assert sum(site.cohort.studies for site in quickstart.sites) < 100


def test_fifty_sites_are_fifty_with_at_least_1500_and_at_most_1600_studies(fifty: Topology) -> None:
    assert len(fifty.sites) == 50
    assert 1500 <= sum(site.cohort.studies for site in fifty.sites) <= 1600
    assert all(20 <= site.cohort.studies <= 60 for site in fifty.sites)


def test_fifty_sites_have_at_least_five_kinds_of_links_from_research_network_to_4g(fifty: Topology) -> None:
    profiles = {site.link.profile for site in fifty.sites} | {fifty.hub.link.profile}
    assert len(profiles) >= 5
    assert {"datacentre", "4g"} <= profiles


def test_fifty_sites_differ_in_classes_quantity_scanner_and_speed(fifty: Topology) -> None:
    cohorts = [site.cohort for site in fifty.sites]
    assert {cohort.scanner for cohort in cohorts} == {"1.5T", "3T", "3T-modern"}
    assert len({cohort.studies for cohort in cohorts}) > 15
    assert len({site.compute.seconds_per_sample for site in fifty.sites}) >= 6
    shares = [cohort.classes["ad"] / cohort.studies for cohort in cohorts]
    assert min(shares) < 0.1 < 0.6 < max(shares)


def test_in_fifty_sites_the_newer_scanners_store_multi_frame_and_the_older_ones_single_frames(fifty: Topology) -> None:
    for site in fifty.sites:
        assert (site.cohort.storage == "multi-frame") == (site.cohort.scanner == "3T-modern")


def test_fifty_sites_train_dementia_by_fedavg_for_three_to_five_rounds(fifty: Topology) -> None:
    assert (fifty.training.task, fifty.training.algorithm) == ("dementia", "fedavg")
    assert 3 <= fifty.training.rounds <= 5


def test_all_classes_are_there_in_numbers(fifty: Topology) -> None:
    for label in ("control", "mci", "ad"):
        assert sum(site.cohort.classes[label] for site in fifty.sites) > 300


def test_shipped_topologies_are_revived_exactly(fifty: Topology, quickstart: Topology) -> None:
    for topology in (fifty, quickstart):
        assert repr(revive(dump(topology))) == repr(topology)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_profile_says_what_its_figures_rest_on(name: str) -> None:
    profile: LinkDocument = shipped()[name]
    assert len(profile.note) > 20
