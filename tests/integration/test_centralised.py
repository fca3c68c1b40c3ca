"""Training at the hub: studies cross the WAN once, from the sites that have them, and one model learns from all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from door import Door

from emulator.places import HUB_ADDRESS, STUDY_PORT

pytestmark = pytest.mark.integration

TOPOLOGY = """
name: pooled
seed: 5
hub: {link: datacentre, compute: {per_sample: 20ms}}
pacs:
  old: {flavour: dcmqrscp, retrieve: [c-move]}
  safe: {flavour: orthanc, web: {tls: true}}
  central: {flavour: orthanc, writes: {syntax: rle}}
defaults: {cohort: {studies: 6, classes: {control: 0.34, mci: 0.33, ad: 0.33}, storage: multi-frame}}
sites:
  - {name: near, link: research-network}
  - {name: far, link: vdsl, pacs: old}
  - {name: late, link: vdsl, pacs: old, cohort: {from: warehouse}}
  - {name: safe, link: vdsl, pacs: safe, cohort: {from: warehouse}}
warehouse: {pacs: central}
training: {task: dementia, rounds: 2, batch_size: 4, test_fraction: 0.5, mode: centralised}
fidelity: {rtt: 50ms, loss: 5%, waiting: 100%, host: 100%}  # a busy machine is not what is tested here
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A world whose hub trains: two sites that have their studies, two whose studies lie in the warehouse."""
    folder = tmp_path_factory.mktemp("central")
    topology = folder / "pooled.yaml"
    topology.write_text(TOPOLOGY)
    opened = Door(folder / "home", topology)
    opened("up", str(topology))
    try:
        yield opened
    finally:
        opened("down", "--all")


@pytest.fixture(scope="module")
def central(door: Door) -> dict[str, Any]:
    return dict(json.loads(door("train", "--json").stdout))


def sent(door: Door, run: str) -> dict[int, dict[str, int]]:
    """Wire bytes of studies by round and site."""
    found = json.loads(door("cost", run, "--json").stdout)["rounds"]
    return {
        entry["round"]: {
            site: purposes["studies"]["tx_wire"] for site, purposes in entry["sites"].items() if "studies" in purposes
        }
        for entry in found
    }


def test_the_hub_trains_on_the_studies_of_all_sites_and_scores_each_sites_own(central: dict[str, Any]) -> None:
    assert (central["state"], central["mode"]) == ("done", "centralised")
    for entry in central["rounds"]:
        assert entry["participants"] == ["far", "late", "near", "safe"]
        assert entry["missing"] == {}
        assert entry["metrics"]["subjects"] == 4 * 3
        assert entry["metrics"]["worst_site_accuracy"] is not None


def test_studies_cross_the_wan_once_and_only_from_sites_that_have_them(door: Door, central: dict[str, Any]) -> None:
    by_round = sent(door, central["run"])
    assert set(by_round[1]) == {"near", "far"}
    assert by_round.get(2, {}) == {}
    (first, *_) = json.loads(door("cost", central["run"], "--json").stdout)["rounds"]
    for site in ("near", "far"):
        pulled = first["sites"][site]["pull"]["rx_payload"]
        studies = first["sites"][site]["studies"]
        assert pulled == pytest.approx(studies["tx_payload"], rel=0.05)
        assert studies["tx_payload"] < studies["tx_wire"] - studies["tx_retransmitted"] < 1.1 * studies["tx_payload"]
        assert all(first["sites"][site][purpose]["rx_wire"] == 0 for purpose in ("model", "update"))


def test_one_seed_gives_one_model(door: Door, central: dict[str, Any]) -> None:
    again = json.loads(door("train", "--json").stdout)
    assert again["model_sha256"] == central["model_sha256"]


def test_a_pacs_that_speaks_dimse_alone_and_one_behind_tls_are_filled_once(door: Door) -> None:
    found = json.loads(door("fill", "--json").stdout)["sites"]
    assert [(site["site"], site["brought"], site["why"]) for site in found] == [("late", 6, ""), ("safe", 6, "")]
    again = json.loads(door("fill", "--json").stdout)["sites"]
    assert [(site["there"], site["brought"], site["bytes"]) for site in again] == [(6, 0, 0), (6, 0, 0)]
    pacs = {site["name"]: site["pacs"] for site in json.loads(door("status", "--json").stdout)["sites"]}
    assert (pacs["late"]["studies"], pacs["late"]["instances"]) == (6, 12)
    assert (pacs["safe"]["studies"], pacs["safe"]["instances"]) == (6, 12)


def test_the_same_world_trains_at_its_sites_and_both_are_compared(
    door: Door, central: dict[str, Any], tmp_path: Path
) -> None:
    door("fill")  # nothing, where the test above has run
    federated = json.loads(door("train", "--set", "mode=federated", "--json").stdout)
    assert (federated["mode"], federated["rounds"][0]["participants"]) == ("federated", ["far", "late", "near", "safe"])
    assert federated["rounds"][0]["metrics"]["subjects"] == central["rounds"][0]["metrics"]["subjects"]
    assert sent(door, federated["run"]) == {1: {}, 2: {}}
    page = tmp_path / "both.html"
    door("report", central["run"], federated["run"], "-o", str(page))
    assert "centralised training" in page.read_text()
    assert "centralised training" in door("show", central["run"]).stdout


def test_a_world_whose_topology_does_not_ask_for_it_lets_no_study_out(door: Door, tmp_path: Path) -> None:
    other = tmp_path / "sites.yaml"
    other.write_text(TOPOLOGY.replace(", mode: centralised", ""))
    door("up", str(other))
    refused = door("train", "--set", "mode=centralised", code=4)
    assert "training: {mode: centralised}" in refused.stderr
    line = f"import socket; socket.create_connection(({HUB_ADDRESS!r}, {STUDY_PORT}), 1)"
    assert "timed out" in door("exec", "pooled", "near/worker", "--", "python3", "-c", line, code=1).stderr
