"""From document to topology: groups, defaults, draws."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from topology_texts import Load

from emulator.topology import Direction, Fidelity, Pacs
from emulator.topology.drawing import apportioned, stream
from emulator.topology.naming import members


def test_a_document_of_two_lines_is_complete(loaded: Load) -> None:
    (site,) = loaded("name: x\nsites: [{name: a}]").sites
    assert (site.index, site.name, site.group, site.machine) == (1, "a", "a", "namespace")
    assert (site.link.profile, site.pacs) == ("chu-fibre", Pacs("orthanc", "orthanc", {}))
    assert site.cohort.classes == {"control": 12, "mci": 9, "ad": 9}
    assert (site.cohort.scanner, site.cohort.storage, site.cohort.modalities) == ("3T", "single-frame", ("mr", "pet"))


def test_the_example_of_the_design_loads(loaded: Load) -> None:
    topology = loaded("""
name: fifty-sites
seed: 7
hub: {link: datacentre}
links:
  datacentre: {rate: 1gbit, rtt: 2ms}
  chu-fibre: {rate: 1gbit, rtt: 12ms}
  clinic-vdsl: {down: 50mbit, up: 10mbit, rtt: 35ms, jitter: 5ms, loss: 0.1%}
pacs:
  modern: {flavour: orthanc}
  legacy: {flavour: dcmqrscp, retrieve: [c-move]}
sites:
  - {group: chu, count: 12, link: chu-fibre, pacs: modern, cohort: {studies: 40}}
  - {group: clinic, count: 37, link: clinic-vdsl, pacs: legacy, cohort: {studies: 20, scanner: 1.5T}}
  - {name: lyon, machine: vm, link: chu-fibre, pacs: modern, cohort: {studies: 80}}
training: {task: dementia, algorithm: fedavg, rounds: 20}
""")
    clinic = topology.sites[12]
    assert [site.index for site in topology.sites] == list(range(1, 51))
    assert (clinic.name, clinic.group, topology.sites[49].name) == ("clinic-01", "clinic", "lyon")
    assert clinic.pacs == Pacs("legacy", "dcmqrscp", {"retrieve": ["c-move"]})
    assert clinic.link.down == Direction(50_000_000, 0.0175, 0.005, 0.001)
    assert clinic.link.up == Direction(10_000_000, 0.0175, 0.005, 0.001)
    assert topology.training.rounds == 20


@pytest.mark.parametrize(("count", "last"), [(1, "g-01"), (99, "g-99"), (100, "g-100"), (2000, "g-2000")])
def test_members_of_a_group_are_numbered_as_wide_as_the_last_needs(count: int, last: str) -> None:
    names = members("g", count)
    assert names[-1] == last
    assert len(set(map(len, names))) == 1
    assert len(set(names)) == count


def test_a_site_overrides_the_defaults_key_by_key(loaded: Load) -> None:
    first, second = loaded("""
name: x
defaults: {link: vdsl, machine: vm, cohort: {studies: 9, scanner: 1.5T}, compute: {per_sample: 50ms}}
sites:
- {name: a}
- {name: b, link: adsl, machine: namespace, cohort: {studies: 8}, compute: {per_sample: 1ms}}
""").sites
    assert (first.link.profile, first.machine, first.compute.seconds_per_sample) == ("vdsl", "vm", 0.05)
    assert (second.link.profile, second.machine, second.compute.seconds_per_sample) == ("adsl", "namespace", 0.001)
    assert (second.cohort.studies, second.cohort.scanner) == (8, "1.5T")


@pytest.mark.parametrize(
    ("default", "own", "seconds", "jitter"),
    [
        ("", "", 0.03, 0.0),
        ("", "speed: 0.5, jitter: 10%", 0.06, 0.1),
        ("per_sample: 50ms, jitter: 5%", "speed: 2", 0.025, 0.05),
        ("speed: 0.5, jitter: 5%", "speed: 3, jitter: 0%", 0.01, 0.0),
        ("speed: 0.5", "per_sample: 7ms", 0.007, 0.0),
        ("speed: 0.5", "per_sample: 0ms", 0.0, 0.0),
    ],
)
def test_a_speed_is_relative_to_the_usual_time_per_sample(
    loaded: Load, default: str, own: str, seconds: float, jitter: float
) -> None:
    (site,) = loaded(f"name: x\ndefaults: {{compute: {{{default}}}}}\nsites: [{{name: a, compute: {{{own}}}}}]").sites
    assert site.compute.seconds_per_sample == pytest.approx(seconds)
    assert site.compute.jitter == jitter


def test_the_clock_is_the_emulated_one_unless_the_topology_says_real(loaded: Load) -> None:
    assert loaded("name: x\nsites: [{name: a}]").training.clock == "emulated"
    assert loaded("name: x\nsites: [{name: a}]\ntraining: {clock: real}").training.clock == "real"


def test_a_link_of_the_document_takes_the_place_of_the_built_in_one(loaded: Load) -> None:
    topology = loaded("name: x\nlinks: {adsl: {rate: 9mbit, rtt: 8ms}}\nsites: [{name: a, link: adsl}]")
    assert topology.sites[0].link.down == topology.sites[0].link.up == Direction(9_000_000, 0.004)


def test_a_flavour_is_a_pacs_profile_unless_the_document_has_one_of_that_name(loaded: Load) -> None:
    assert loaded("name: x\nsites: [{name: a, pacs: dcmqrscp}]").sites[0].pacs.flavour == "dcmqrscp"
    topology = loaded("name: x\npacs: {orthanc: {flavour: dcmqrscp}}\nsites: [{name: a}]")
    assert topology.sites[0].pacs == Pacs("orthanc", "dcmqrscp", {})


def test_modalities_come_in_one_order(loaded: Load) -> None:
    topology = loaded("name: x\nsites: [{name: a, cohort: {modalities: [pet, mr]}}]")
    assert topology.sites[0].cohort.modalities == ("mr", "pet")


DRAWN = "studies: {min: 10, max: 90}, classes: {dirichlet: 0.7}, scanner: [1.5T, 3T, 3T-modern]"


def _drawn(loaded: Load, sites: list[str], seed: int = 7) -> dict[str, object]:
    entries = "\n".join(f"- {{name: {name}, cohort: {{{DRAWN}}}}}" for name in sites)
    return {site.name: site.cohort for site in loaded(f"name: x\nseed: {seed}\nsites:\n{entries}\n").sites}


def test_a_site_added_removed_or_moved_changes_no_draw_of_the_others(loaded: Load) -> None:
    before = _drawn(loaded, ["a", "b", "c"])
    for after in (_drawn(loaded, ["a", "b", "c", "d"]), _drawn(loaded, ["d", "c", "a", "b"]), _drawn(loaded, ["c"])):
        assert {name: cohort for name, cohort in after.items() if name in before}.items() <= before.items()


def test_another_seed_draws_anew(loaded: Load) -> None:
    names = [f"s{n}" for n in range(20)]
    one, other = _drawn(loaded, names), _drawn(loaded, names, seed=8)
    assert sum(one[name] == other[name] for name in names) < 5


def test_purposes_of_one_site_draw_from_streams_of_their_own() -> None:
    draws = {purpose: stream(7, "a", purpose).random(4).tolist() for purpose in ("studies", "classes", "scanner")}
    assert len({tuple(draw) for draw in draws.values()}) == 3
    assert stream(7, "a", "studies").random(4).tolist() == draws["studies"]


def test_draws_stay_what_they_are_from_version_to_version() -> None:
    """Cohorts in caches and published runs rest on these: numpy promises its seeding and its raw bits."""
    assert stream(7, "lyon", "studies").integers(0, 2**32, 3, dtype=np.uint64).tolist() == LYON


LYON = [1806121936, 2890720186, 3792189804]


def test_a_range_is_drawn_from_end_to_end(loaded: Load) -> None:
    entries = "name: x\nsites: [{group: g, count: 400, cohort: {studies: {min: 3, max: 6}}}]"
    counts = Counter(site.cohort.studies for site in loaded(entries).sites)
    assert set(counts) == {3, 4, 5, 6}
    assert min(counts.values()) > 60


def test_a_scanner_named_twice_is_drawn_twice_as_often(loaded: Load) -> None:
    entries = "name: x\nsites: [{group: g, count: 600, cohort: {scanner: [3T, 3T, 1.5T]}}]"
    counts = Counter(site.cohort.scanner for site in loaded(entries).sites)
    assert 1.6 < counts["3T"] / counts["1.5T"] < 2.5


@pytest.mark.parametrize("concentration", [0.01, 0.5, 1000])
def test_small_concentrations_make_sites_of_one_class_and_large_ones_make_them_alike(
    loaded: Load, concentration: float
) -> None:
    cohort = f"{{studies: 60, classes: {{dirichlet: {concentration}}}}}"
    sites = loaded(f"name: x\nsites: [{{group: g, count: 100, cohort: {cohort}}}]").sites
    largest = sum(max(site.cohort.classes.values()) for site in sites) / 6000
    low, high = {0.01: (0.97, 1.0), 0.5: (0.6, 0.8), 1000: (0.33, 0.38)}[concentration]
    assert low <= largest <= high


SHARES = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda shares: sum(shares) > 1e-3)


@given(st.integers(1, 5000), SHARES)
def test_classes_add_up_and_each_is_less_than_one_study_from_its_share(count: int, shares: list[float]) -> None:
    counts = apportioned(count, shares)
    assert sum(counts.values()) == count
    for found, share in zip(counts.values(), shares, strict=True):
        assert abs(found - count * share / sum(shares)) < 1 + 1e-6


def test_bounds_of_fidelity_are_taken_from_the_topology_and_the_rest_is_usual(loaded: Load) -> None:
    bounds = loaded("name: x\nsites: [{name: lyon}]\nfidelity: {rtt: 2ms, waiting: 40%}\n").fidelity
    assert bounds == replace(Fidelity(), rtt_s=0.002, waiting=0.4)
