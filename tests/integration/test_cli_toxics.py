"""Toxics as a user meets them: brought up, shown, trained through, and refused where Toxiproxy is missing."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from door import Door

from emulator.toxics import PROGRAM

pytestmark = pytest.mark.integration

TOPOLOGY = """
name: poisoned
seed: 3
defaults: {link: research-network, cohort: {studies: 6, modalities: [mr, pet], storage: multi-frame}}
sites:
  - {name: well}
  - name: ill
    toxics:
      - {on: dicomweb, toxic: latency, latency: 50ms}
      - {on: hub, toxic: bandwidth, rate: 800kbit, stream: upstream}
training: {task: dementia, algorithm: fedavg, rounds: 1, test_fraction: 0.34}
fidelity: {rtt: 50ms, loss: 5%, waiting: 100%, host: 100%}  # a busy machine is not what is tested here
"""
UP_BPS = 800_000


def _json(door: Door, *words: str) -> Any:
    return json.loads(door(*words, "--json").stdout)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A home in which the world `poisoned` is up."""
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not on the PATH: ./dev install --tests builds it")
    folder = tmp_path_factory.mktemp("cli")
    (folder / "poisoned.yaml").write_text(TOPOLOGY)
    closed = Door(folder / "home", folder / "poisoned.yaml")
    try:
        closed("up", str(closed.topology))
        yield closed
    finally:
        closed("down", "--all")


def test_status_shows_the_toxics_of_the_site_that_has_them(door: Door) -> None:
    well, ill = _json(door, "status")["sites"]
    assert "toxics" not in well
    assert ill["toxics"] == [
        {
            "on": "dicomweb", "toxic": "latency", "stream": "downstream", "toxicity": 1.0, "latency_s": 0.05,
            "jitter_s": 0.0,
        },
        {"on": "hub", "toxic": "bandwidth", "stream": "upstream", "toxicity": 1.0, "rate_bps": UP_BPS},
    ]  # fmt: skip
    shown = door("status").stdout
    assert "ill: bandwidth on hub: rate 800 kbit/s; upstream, 100 % of connections" in shown


def test_a_plan_names_the_site_whose_toxics_would_change(door: Door, tmp_path: Path) -> None:
    changed = tmp_path / "poisoned.yaml"
    changed.write_text(TOPOLOGY.replace("latency: 50ms", "latency: 60ms"))
    assert _json(door, "up", str(changed), "--plan")["changes"]["toxics"] == ["ill"]
    assert "toxics of 1: ill" in door("up", str(changed), "--plan").stdout
    assert "nothing to do" in door("up", str(door.topology), "--plan").stdout


def test_a_training_goes_through_the_toxics_and_every_site_is_known(door: Door) -> None:
    (found,) = _json(door, "train")["rounds"]
    assert sorted(found["participants"]) == ["ill", "well"]
    (costs,) = _json(door, "cost")["rounds"]
    ill, well = costs["sites"]["ill"], costs["sites"]["well"]
    update_bytes = ill["update"]["tx_payload"]
    assert update_bytes == well["update"]["tx_payload"] > 100_000
    assert found["wall_s"] >= 8 * update_bytes / UP_BPS
    for purpose, way in (("pull", "rx"), ("model", "rx"), ("update", "tx")):
        assert ill[purpose][f"{way}_payload"] < ill[purpose][f"{way}_wire"] < 1.2 * ill[purpose][f"{way}_payload"]


def _path_without(folder: Path, program: str) -> str:
    """A PATH with all programs of this one but that."""
    folder.mkdir()
    places = [*os.environ["PATH"].split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    for place in filter(lambda path: os.access(path, os.R_OK | os.X_OK), places):
        for found in Path(place).glob("*"):
            if found.name != program and not (folder / found.name).exists():
                (folder / found.name).symlink_to(found)
    return str(folder)


def test_without_toxiproxy_up_says_how_to_get_it_before_it_makes_anything(tmp_path: Path) -> None:
    topology = tmp_path / "t.yaml"
    topology.write_text("name: t\nsites: [{name: a, toxics: [{on: hub, toxic: down}]}]\n")
    path = _path_without(tmp_path / "bin", PROGRAM)
    without = Door(tmp_path / "home", topology, more=(("PATH", path),))
    refused = without("up", str(topology), code=3)
    assert f"{PROGRAM}, which toxics need, is not on the PATH: ./dev install --tests" in refused.stderr
    assert not list((tmp_path / "home").glob("worlds/*"))
    assert not list((tmp_path / "home").glob("cache/cohorts/*"))
    told = _json(without, "doctor")
    (check,) = [check for check in told["checks"] if check["name"] == PROGRAM]
    assert (check["ok"], check["needed"]) == (False, False)
    assert "./dev install --tests" in check["advice"]


def test_a_toxic_on_a_port_that_the_pacs_has_not_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not on the PATH: ./dev install --tests builds it")
    topology = tmp_path / "t.yaml"
    topology.write_text(
        "name: t\npacs: {deaf: {flavour: orthanc, dimse: false}}\n"
        "sites: [{name: a, pacs: deaf, toxics: [{on: dimse, toxic: down}]}]\n"
    )
    refused = Door(tmp_path / "home", topology)("up", str(topology), code=2)
    assert "site 'a': a toxic on 'dimse', but its PACS 'deaf' has dimse: false" in refused.stderr
    assert not list((tmp_path / "home").glob("worlds/*"))
    assert not list((tmp_path / "home").glob("cache/cohorts/*"))
