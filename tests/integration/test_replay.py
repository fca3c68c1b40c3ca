"""A run with a failure in it, made again: strictly, freely, under another setting, and elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from door import Door, opened

from emulator.topology.resolved import Change
from emulator.worlds import World
from trainer.record import Run

pytestmark = pytest.mark.integration

KILL_THE_TRAINER_HERE = """
here=$(readlink /proc/self/ns/net)
for process in /proc/[0-9]*; do
  [ "$(readlink $process/ns/net)" = "$here" ] || continue
  grep -q 'trainer[.]launch' $process/cmdline && kill -9 ${process#/proc/}
done
"""
SCENARIO = """
name: slower
faults:
  - {at: every round, on: any, chance: 50%, fault: link-degrade, rtt: 120ms, for: 400ms}
  - {at: round 2 update, on: near, fault: link-down, for: 200ms}
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("replay")) as door:
        yield door


@pytest.fixture(scope="module")
def broken(door: Door) -> str:
    """A run of three rounds with a scenario; by hand, a worker was killed, a link changed, and one degraded."""
    (door.home / "slower.yaml").write_text(SCENARIO)
    world = World.open("two")
    scenario = ("--scenario", str(door.home / "slower.yaml"))
    training = door.start("train", "--rounds", "3", "--set", "require=all", *scenario)
    assert training.stderr is not None
    for line in training.stderr:
        if "round 1 of 3" in line:
            break
    world.output("far/worker", ["sh", "-c", KILL_THE_TRAINER_HERE])
    world.change_link("far", Change(), Change(delay_s=0.03))
    world.faults().begin("link-degrade", ["far"], {"rtt": "90ms"}, 0.3)
    out, said = training.communicate(timeout=170)
    world.reset_link("far")
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


def recorded(door: Door, run: str) -> tuple[dict[str, Any], ...]:
    """The events of a run's log."""
    opened = Run.open(door.home, run)
    found = opened.events()
    opened.close()
    return found


def what_broke(door: Door, run: str) -> list[tuple[str, list[str]]]:
    """Each fault that began in a run, and where; sorted, since one by hand comes at a time and not at a moment."""
    started = {event["id"]: event for event in recorded(door, run) if event["event"] == "fault-started"}
    return sorted((event["fault"], list(event["on"])) for event in started.values())


def test_what_was_done_by_hand_while_a_run_was_on_is_in_its_own_log(door: Door, broken: str) -> None:
    told = recorded(door, broken)
    (change,) = [event for event in told if event["event"] == "link changed"]
    assert change["site"] == "far"
    assert change["emulated_s"] > 0
    by_hand = [event for event in told if event["event"] == "fault-started" and event["settings"] == {"rtt": "90ms"}]
    assert [event["on"] for event in by_hand] == [["far"]]
    assert {event["id"] for event in by_hand} <= {event["id"] for event in told if event["event"] == "fault-ended"}


def test_a_free_replay_breaks_the_same_again_lists_what_differs_and_uses_the_world_that_is_up(
    door: Door, broken: str
) -> None:
    """Nobody kills the worker this time, so that it takes part in all rounds."""
    before = json.loads(door("ls", "--json").stdout)
    replayed = json.loads(door("replay", broken, "--json", code=1).stdout)
    participants = [one for one in replayed["differences"] if one["what"] == "participants"]
    assert [(one["recorded"], one["replayed"]) for one in participants] == [(["near"], ["far", "near"])]
    assert not replayed["identical"]
    assert what_broke(door, replayed["run"]) == what_broke(door, broken)
    faults = [
        {(one["round"], one["fault"], tuple(one["on"])) for one in shown(door, run)["faults"]}
        for run in (broken, replayed["run"])
    ]
    assert (2, "link-down", ("near",)) in faults[0]
    assert faults[0] <= faults[1]  # and the one by hand, which is of the replay's own plan
    assert json.loads(door("ls", "--json").stdout) == before


def test_a_strict_replay_gives_the_same_model_in_every_round_also_elsewhere_over_a_world_of_its_own(
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
    assert (replayed["replay_of"], replayed["strict"], replayed["identical"]) == (broken, True, True)
    assert replayed["machine"] == []
    models = [
        [entry["model_sha256"] for entry in shown(where, run)["rounds"]]
        for where, run in ((door, broken), (elsewhere, replayed["run"]))
    ]
    assert models[0] == models[1]
    assert shown(elsewhere, replayed["run"])["faults"] == []  # who took part is forced
    assert json.loads(elsewhere("ls", "--json").stdout)["worlds"] == []


def test_what_if_is_asked_of_a_run_and_answered_with_exit_code_0(door: Door, broken: str) -> None:
    replayed = json.loads(door("replay", broken, "--with", "local_epochs=2", "--json").stdout)
    assert "model_sha256" in {one["what"] for one in replayed["differences"]}
    assert what_broke(door, replayed["run"]) == what_broke(door, broken)
    assert "leave out --with" in door("replay", broken, "--strict", "--with", "local_epochs=2", code=2).stderr
    assert "is not known" in door("replay", broken, "--with", "locl_epochs=2", code=2).stderr
