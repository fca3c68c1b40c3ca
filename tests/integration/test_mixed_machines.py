"""Two of six hospitals on virtual machines, from the topology that ships: the same studies, the same model."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from door import Door
from vms import ask, door_with_cache, status

pytestmark = [pytest.mark.integration, pytest.mark.vm, pytest.mark.timeout(900)]

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "mixed_machines.yaml"
LENIENT = "fidelity: {rtt: 1s, loss: 50%, rate: 100%, router: 100%, waiting: 100%, host: 100%}\n"
TRAINS_WITHIN_S = 90.0


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, guest_cache: Path) -> Iterator[Door]:
    opened = door_with_cache(tmp_path_factory.mktemp("mixed"), guest_cache, TOPOLOGY.read_text() + LENIENT)
    opened("up", str(opened.topology), "--name", "mixed")
    yield opened
    opened("down", "--all")


@pytest.fixture(scope="module")
def trained(door: Door) -> dict[str, Any]:
    began = time.monotonic()
    door("train", "mixed")
    took = time.monotonic() - began
    return {**json.loads(door("show", "--json").stdout), "took_s": took}


def test_each_pacs_answers_on_the_machine_that_the_topology_names(door: Door) -> None:
    found = status(door, "mixed")
    assert {name for name, site in found.items() if site["machine"] == "vm"} == {"university", "island"}
    assert all(site["pacs"]["answers"] and site["pacs"]["studies"] == 6 for site in found.values())


def test_two_releases_of_debian_are_two_orthancs_and_two_kernels(door: Door) -> None:
    found = status(door, "mixed")
    assert found["university"]["pacs"]["version"] != found["island"]["pacs"]["version"]
    kernels = {door("exec", "mixed", f"{name}/pacs", "--", "uname", "-r").stdout for name in ("clinic-01", "island")}
    assert len({*kernels, ask(door, "university", "uname -r")}) == 3


def test_they_train_together(trained: dict[str, Any]) -> None:
    assert trained["state"] == "done"
    assert all(one["missing"] == {} for one in trained["rounds"])
    assert trained["took_s"] <= TRAINS_WITHIN_S


def test_namespaces_alone_learn_the_very_same_model(door: Door, trained: dict[str, Any]) -> None:
    door("up", str(door.topology), "--name", "plain", "--machine", "namespace")
    door("train", "plain")
    alone = json.loads(door("show", "--json").stdout)
    assert alone["world"] == "plain"
    assert alone["model_sha256"] == trained["model_sha256"]


def test_another_up_changes_nothing(door: Door) -> None:
    plan = json.loads(door("up", str(door.topology), "--name", "mixed", "--plan", "--json").stdout)
    changes = plan["changes"]
    assert not any(changes[key] for key in ("add", "remove", "restart", "relink"))


def test_a_change_of_machine_builds_that_site_anew_and_no_other(door: Door) -> None:
    wanted = door.topology.read_text().replace("machine: vm ", "machine: namespace ")
    (door.topology.parent / "changed.yaml").write_text(wanted)
    plan = json.loads(
        door("up", str(door.topology.parent / "changed.yaml"), "--name", "mixed", "--plan", "--json").stdout
    )
    assert plan["changes"]["add"] == plan["changes"]["remove"] == ["university"]
