"""Hospitals whose archives differ, from the topology that ships: up, probed, trained over, reported."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from door import Door
from ruamel.yaml import YAML

from emulator.topology import Site, Topology
from nodes.errors import CannotHere
from nodes.pacs import flavours
from testbed.composition import read
from trainer.record import Run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

TOPOLOGY = Path(__file__).resolve().parents[2] / "topologies/mixed_pacs.yaml"
CARELESS, DROPPED = "careless", 3


def _can_be_here(site: Site) -> bool:
    try:
        flavours.get(site.pacs.flavour).services(site, None)
    except CannotHere:
        return False
    return True


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it ships, but for sites whose flavour is not installed here, and for bounds that a busy machine breaks."""
    yaml = YAML(typ="safe")
    document = yaml.load(TOPOLOGY)
    here = {site.name for site in read(TOPOLOGY).sites if _can_be_here(site)}
    document["sites"] = [site for site in document["sites"] if site["name"] in here]
    document["fidelity"] = {"rtt": "1s", "loss": "50%", "waiting": "100%", "host": "100%"}
    path = tmp_path_factory.mktemp("mixed") / "mixed.yaml"
    yaml.dump(document, path)
    assert {"usual", "mover", "getter", CARELESS} <= here  # what every machine that runs these tests has
    return path


@pytest.fixture(scope="module")
def mixed(file: Path) -> Topology:
    return read(file)


@pytest.fixture(scope="module")
def door(file: Path) -> Iterator[Door]:
    opened = Door(file.parent / "home", file, within_s=600)
    opened("up", str(file))
    yield opened
    opened("down", "--all")


@pytest.fixture(scope="module")
def trained(door: Door) -> dict[str, Any]:
    """What `show --json` says of a training that went well."""
    door("train")
    shown: dict[str, Any] = json.loads(door("show", "--json").stdout)
    return shown


def test_every_archive_answers_and_has_all_studies(door: Door, mixed: Topology) -> None:
    found = {site["name"]: site["pacs"] for site in json.loads(door("status", "--json").stdout)["sites"]}
    assert found.keys() == {site.name for site in mixed.sites}
    assert {name: pacs["studies"] for name, pacs in found.items()} == _studies(mixed)


def _studies(mixed: Topology) -> dict[str, int]:
    return {site.name: site.cohort.studies for site in mixed.sites}


def test_probing_finds_the_habits_that_were_declared(door: Door, mixed: Topology) -> None:
    found = {one["site"]: one["capabilities"] for one in json.loads(door("pacs", "--json").stdout)["sites"]}
    assert found.keys() == {site.name for site in mixed.sites}
    assert found["short"]["web"]["qido"]["page"] == 2
    assert found["usual"]["web"]["qido"]["page"] != 2


def test_no_site_and_no_study_is_left_out_of_the_training(trained: dict[str, Any], mixed: Topology, door: Door) -> None:
    (only,) = trained["rounds"]
    assert only["missing"] == {}
    assert set(only["participants"]) == {site.name for site in mixed.sites}
    pulled = _pulled(door, trained["run"])
    assert {site: len(ways) for site, ways in pulled.items()} == _studies(mixed)


def test_each_site_is_pulled_from_by_a_way_that_its_hospital_allows(
    trained: dict[str, Any], mixed: Topology, door: Door
) -> None:
    for name, ways in _pulled(door, trained["run"]).items():
        site = next(site for site in mixed.sites if site.name == name)
        assert set(ways) <= set(flavours.get(site.pacs.flavour).endpoint(site).retrieve), name
    assert set(_pulled(door, trained["run"])["mover"]) == {"c-move"}
    assert set(_pulled(door, trained["run"])["getter"]) == {"c-get"}


def _pulls(door: Door, run: str) -> list[dict[str, Any]]:
    opened = Run(door.home / "runs" / run)
    try:
        return opened.pulls()
    finally:
        opened.close()


def _pulled(door: Door, run: str) -> dict[str, list[str]]:
    """Of each site the way by which each study came."""
    ways: defaultdict[str, list[str]] = defaultdict(list)
    for pull in _pulls(door, run):
        ways[pull["site"]].append(pull["way"])
    return dict(ways)


def test_studies_that_are_wrong_are_dropped_and_no_others(trained: dict[str, Any], mixed: Topology, door: Door) -> None:
    careless = next(site for site in mixed.sites if site.name == CARELESS)
    dropped = {pull["study"]: pull["remark"] for pull in _pulls(door, trained["run"]) if pull["fate"] == "dropped"}
    assert len(dropped) == sum(careless.cohort.defects.values()) == DROPPED
    told = " ".join(dropped.values())
    for kind in careless.cohort.defects:
        assert kind in told, dropped


def test_the_report_tells_what_each_kind_of_pacs_costs(
    trained: dict[str, Any], mixed: Topology, door: Door, tmp_path: Path
) -> None:
    door("report", "-o", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    told = page[page.index("What each kind of PACS costs") :]
    for profile in {site.pacs.profile for site in mixed.sites}:
        assert f"<td>{profile}</td>" in told
