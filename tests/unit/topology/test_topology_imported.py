"""Imported cohorts in a topology: shared among the sites that name them, none twice, and never more than there are."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from topology_texts import load_text

from emulator.errors import WrongInput
from emulator.topology import Known, Topology, dump, revive
from emulator.topology.sharing import Lot, Short, Wish, lots
from emulator.topology.words import Stock

STOCK = Stock("c0ffee", {"": 7, "ad": 20, "control": 40, "mci": 30})
HEAD = "name: x\nseed: 3\n"


@pytest.fixture(scope="module")
def stocked(known: Known) -> Known:
    return replace(known, cohorts={"adni": STOCK, "fashion": Stock("f", {"class-0": 5, "class-1": 5})})


def _load(text: str, stocked: Known, folder: Path) -> Topology:
    return load_text(HEAD + text, stocked, folder)


def _refusal(text: str, stocked: Known, folder: Path) -> str:
    with pytest.raises(WrongInput) as caught:
        _load(text, stocked, folder)
    return str(caught.value).replace(str(folder), "")


COUNTS = st.dictionaries(st.sampled_from(["", "ad", "control", "mci"]), st.integers(0, 60), min_size=1)
ASKED = st.lists(st.none() | st.integers(1, 40), min_size=1, max_size=6)


@given(counts=COUNTS, asked=ASKED)
def test_sites_share_a_cohort_without_overlap_and_all_get_what_they_ask_for_or_why_not(
    counts: dict[str, int], asked: list[int | None]
) -> None:
    wishes = [Wish(f"s{number}", "c", studies, None) for number, studies in enumerate(asked)]
    found = lots(wishes, {"c": Stock("x", counts)}, 1)
    taken: dict[str, list[tuple[int, int]]] = {}
    for wish in wishes:
        lot = found[wish.site]
        if isinstance(lot, Lot):
            assert wish.studies in (None, sum(lot.take.values()))
            for label, count in lot.take.items():
                taken.setdefault(label, []).append((lot.skip[label], lot.skip[label] + count))
    for label, spans in taken.items():
        spans.sort()
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
        assert spans[-1][1] <= counts[label]
    needed = sum(studies or 0 for studies in asked)
    refused = [lot for lot in found.values() if isinstance(lot, Short)]
    labelled = sum(counts.values()) - counts.get("", 0)
    there = labelled or counts.get("", 0)
    assert not labelled or "" not in taken
    if needed <= there - asked.count(None):
        assert not refused
    elif needed > there:
        assert refused
    if not refused and None in asked:
        assert sum(end - start for spans in taken.values() for start, end in spans) == there


def test_a_site_takes_what_it_asks_for_and_the_rest_goes_to_who_asks_for_nothing(
    stocked: Known, tmp_path: Path
) -> None:
    text = """
sites:
  - {name: rest, cohort: {from: adni}}
  - {name: some, cohort: {from: adni, studies: 30}}
  - {name: skewed, cohort: {kind: imported, from: adni, studies: 20, classes: {ad: 0.75, mci: 0.25}}}
  - {name: phantom, cohort: {studies: 4}}
"""
    rest, some, skewed, phantom = _load(text, stocked, tmp_path).sites
    assert (skewed.cohort.classes, skewed.cohort.skip) == ({"mci": 5, "ad": 15}, {"mci": 0, "ad": 0})
    assert (some.cohort.studies, rest.cohort.studies) == (30, 90 - 50)  # not the 7 without a label
    assert some.cohort.skip["ad"] == 15
    assert (rest.cohort.kind, rest.cohort.source, rest.cohort.content) == ("imported", "adni", "c0ffee")
    assert (phantom.cohort.kind, phantom.cohort.source) == ("phantom", "")


def test_defaults_may_name_a_cohort_and_a_site_may_have_phantoms_all_the_same(stocked: Known, tmp_path: Path) -> None:
    text = """
defaults: {cohort: {from: fashion}}
sites: [{group: g, count: 3}, {name: own, cohort: {kind: phantom, studies: 3}}]
"""
    sites = _load(text, stocked, tmp_path).sites
    assert [site.cohort.studies for site in sites] == [4, 3, 3, 3]
    assert [site.cohort.kind for site in sites] == ["imported"] * 3 + ["phantom"]


def test_class_skew_is_drawn_over_the_labels_that_are_there(stocked: Known, tmp_path: Path) -> None:
    text = "sites: [{name: a, cohort: {from: adni, studies: 15, classes: {dirichlet: 1000}}}]\n"
    assert _load(text, stocked, tmp_path).sites[0].cohort.classes == {"ad": 5, "control": 5, "mci": 5}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "sites:\n  - {name: a, cohort: {from: adni, studies: 98}}\n",
            "x.yaml:4:5: found site 'a' with 98",
        ),
        (
            "sites:\n  - {name: a, cohort: {from: adni, studies: 30, classes: {ad: 1}}}\n",
            "30 (30 ad) studies; expected no more than what is left of 'adni': "
            "90 (20 ad, 40 control, 30 mci); beside them 7 without a label",
        ),
        ("sites: [{name: a, cohort: {from: adn}}]\n", "did you mean 'adni'?"),
        ("sites: [{name: a, cohort: {kind: imported}}]\n", "'from: NAME' beside it"),
        ("sites: [{name: a, cohort: {kind: phantom, from: adni}}]\n", "not both"),
        ("sites: [{name: a, cohort: {from: adni, scanner: 3T}}]\n", "imported studies are as they are"),
        ("sites: [{name: a, cohort: {from: adni, defects: {two-volumes: 5%}}}]\n", "or 'defects' beside 'from'"),
        (
            "sites: [{name: a, cohort: {from: fashion, studies: 4, classes: {ad: 1}}}]\n",
            "10 (5 class-0, 5 class-1)",
        ),
    ],
)
def test_what_an_imported_cohort_cannot_give_is_told_with_counts_and_place(
    stocked: Known, tmp_path: Path, text: str, told: str
) -> None:
    assert told in _refusal(text, stocked, tmp_path)


def test_an_imported_cohort_is_kept_with_a_world_and_read_again(stocked: Known, tmp_path: Path) -> None:
    topology = _load("sites: [{name: a, cohort: {from: adni}}]\n", stocked, tmp_path)
    assert revive(dump(topology)) == topology


def test_a_topology_that_was_kept_before_there_were_imports_can_be_read(stocked: Known, tmp_path: Path) -> None:
    topology = _load("sites: [{name: a, cohort: {studies: 3}}]\n", stocked, tmp_path)
    old = json.loads(dump(topology))
    for key in ("source", "content", "skip"):
        del old["sites"][0]["cohort"][key]
    assert revive(json.dumps(old)) == topology


WAREHOUSE = """
warehouse: {pacs: orthanc}
sites:
  - {name: own, cohort: {studies: 3}}
  - {group: late, count: 2, cohort: {from: warehouse, studies: 4, scanner: 1.5T}}
"""


def test_sites_from_the_warehouse_and_no_others_may_reach_it(stocked: Known, tmp_path: Path) -> None:
    topology = _load(WAREHOUSE, stocked, tmp_path)
    assert [site.cohort.warehouse for site in topology.sites] == [False, True, True]
    assert {(way.source, way.target, way.port) for way in topology.policy} == {
        ("late-01/worker", "hub", 8042),
        ("late-02/worker", "hub", 8042),
    }
    late = topology.sites[1].cohort
    assert (late.kind, late.studies, late.scanner) == ("phantom", 4, "1.5T")
    assert revive(dump(topology)) == topology


def test_a_warehouse_may_hold_an_imported_cohort(stocked: Known, tmp_path: Path) -> None:
    text = WAREHOUSE.replace("{pacs: orthanc}", "{from: adni}").replace(", scanner: 1.5T", "")
    late = _load(text, stocked, tmp_path).sites[1].cohort
    assert (late.kind, late.source, late.warehouse, late.studies) == ("imported", "adni", True, 4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (WAREHOUSE.replace("warehouse: {pacs: orthanc}\n", ""), "or warehouse where the topology has one"),
        (WAREHOUSE.replace("{pacs: orthanc}", "{from: warehouse}"), "can't be filled from itself"),
        (WAREHOUSE.replace("{pacs: orthanc}", "{pacs: orthank}"), "did you mean 'orthanc'?"),
    ],
)
def test_a_warehouse_that_cannot_be_is_refused(stocked: Known, tmp_path: Path, text: str, told: str) -> None:
    assert told in _refusal(text, stocked, tmp_path)


SITE = "sites:\n  - {name: a, cohort: "


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("defaults: {cohort: {from: adni}}\n" + SITE + "{scanner: 1.5T}}\n", "scanner"),
        ("warehouse: {from: adni}\n" + SITE + "{from: warehouse, defects: {missing-slice: 20%}}}\n", "defects"),
        ("warehouse: {from: adni}\n" + SITE + "{from: warehouse, kind: phantom}}\n", "kind: phantom"),
    ],
)
def test_what_is_of_phantoms_only_is_never_passed_over_at_a_site_that_imports(
    text: str, found: str, stocked: Known, tmp_path: Path
) -> None:
    said = _refusal(text, stocked, tmp_path)
    assert "nothing of phantoms at a site that takes its studies from 'adni'" in said
    assert found in said
