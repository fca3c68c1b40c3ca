"""A run with a failure in it, made again: strictly, freely, under another setting, and elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from door import TOPOLOGY, Door

from trainer.record import Run

pytestmark = pytest.mark.integration

KILL_THE_TRAINER_HERE = """
here=$(readlink /proc/self/ns/net)
for process in /proc/[0-9]*; do
  [ "$(readlink $process/ns/net)" = "$here" ] || continue
  grep -q 'trainer[.]launch' $process/cmdline && kill -9 ${process#/proc/}
done
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A home in which the world `two` is up."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "two.yaml").write_text(TOPOLOGY)
    opened = Door(folder / "home", folder / "two.yaml")
    opened("up", str(opened.topology))
    yield opened
    opened("down", "--all")


@pytest.fixture(scope="module")
def broken(door: Door) -> str:
    """A run of three rounds in which far's worker was killed once."""
    training = door.start("train", "--rounds", "3", "--set", "require=all")
    assert training.stderr is not None
    for line in training.stderr:
        if "round 1 of 3" in line:
            break
    door("exec", "far/worker", "--", "sh", "-c", KILL_THE_TRAINER_HERE)
    out, said = training.communicate(timeout=170)
    assert training.returncode == 1, said  # it asks for all sites
    assert "asks for all sites in every round" in said
    return out.strip()


def shown(door: Door, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(door("show", run, "--json").stdout)
    return found


def test_who_was_missing_and_is_back_is_named_in_the_rounds_and_for_the_whole_run(door: Door, broken: str) -> None:
    found = shown(door, broken)
    assert found["state"] == "done"
    (hit,) = found["missing"]["far"]["rounds"]
    assert "SIGKILL" in found["missing"]["far"]["why"]
    if hit < 3:
        assert "was missing" in found["rounds"][hit]["back"]["far"]


def test_a_strict_replay_gives_the_same_model_in_every_round_and_uses_the_world_that_is_up(
    door: Door, broken: str
) -> None:
    before = json.loads(door("ls", "--json").stdout)
    replayed = json.loads(door("replay", broken, "--strict", "--json").stdout)
    assert (replayed["replay_of"], replayed["strict"], replayed["identical"]) == (broken, True, True)
    assert replayed["model_sha256"] == shown(door, broken)["model_sha256"]
    assert replayed["machine"] == []
    models = [[entry["model_sha256"] for entry in shown(door, run)["rounds"]] for run in (broken, replayed["run"])]
    assert models[0] == models[1]
    assert json.loads(door("ls", "--json").stdout) == before


def test_a_free_replay_lists_what_differs_and_ends_with_exit_code_1(door: Door, broken: str) -> None:
    """Nobody kills the worker this time, so that it takes part in all rounds."""
    replayed = json.loads(door("replay", broken, "--json", code=1).stdout)
    participants = [one for one in replayed["differences"] if one["what"] == "participants"]
    assert [(one["recorded"], one["replayed"]) for one in participants] == [(["near"], ["far", "near"])]
    assert not replayed["identical"]


def test_a_run_that_was_taken_elsewhere_is_replayed_there_over_a_world_of_its_own(
    door: Door, broken: str, tmp_path: Path
) -> None:
    door("runs", "export", broken, "-o", str(tmp_path / "run.tar.gz"))
    elsewhere = Door(tmp_path / "home", door.topology)
    assert elsewhere("runs", "import", str(tmp_path / "run.tar.gz")).stdout.strip() == broken
    (elsewhere.home / "cache").symlink_to(door.home / "cache")  # what is baked is the same: it is not what is tested
    for command in ("show", "cost"):
        assert elsewhere(command, broken, "--json").stdout == door(command, broken, "--json").stdout
    elsewhere("report", broken, "-o", str(tmp_path / "report.html"))
    replayed = json.loads(elsewhere("replay", broken, "--strict", "--json").stdout)
    assert replayed["identical"]
    assert json.loads(elsewhere("ls", "--json").stdout)["worlds"] == []


def test_what_if_is_asked_of_a_run_and_answered_with_exit_code_0(door: Door, broken: str) -> None:
    replayed = json.loads(door("replay", broken, "--with", "local_epochs=2", "--json").stdout)
    assert "model_sha256" in {one["what"] for one in replayed["differences"]}
    assert "leave out --with" in door("replay", broken, "--strict", "--with", "local_epochs=2", code=2).stderr
    assert "is not known" in door("replay", broken, "--with", "locl_epochs=2", code=2).stderr


def test_a_link_that_is_changed_while_a_run_is_on_is_in_the_run_s_own_log(
    door: Door, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = door.start("train", "--rounds", "3")
    assert training.stderr is not None
    for line in training.stderr:
        if "round 1 of 3" in line:
            break
    door("link", "far", "--rtt", "60ms")
    out, said = training.communicate(timeout=170)
    assert training.returncode in (0, 1), said
    door("link", "far", "--reset")
    monkeypatch.setenv("TESTBED_HOME", str(door.home))
    run = Run.open(door.home, out.strip())
    (change,) = [event for event in run.events() if event["event"] == "link changed"]
    run.close()
    assert change["site"] == "far"
    assert change["world_at"] <= change["time"]
    assert change["emulated_s"] > 0
