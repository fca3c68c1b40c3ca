"""Who keeps faults: each ends at its time, also when the one who began it, or who kept it, is gone by then."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator import events
from emulator.inside.keeper import FOLDER, Keeper, Kept, kept

SOON_S = 0.3


def _doing(folder: Path) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Steps make and remove files of a folder; one that is called `refused` can't be made."""

    def do(step: dict[str, Any]) -> dict[str, Any]:
        if step["make"] == "refused":
            return {"error": "refused"}
        if step["there"]:
            (folder / step["make"]).touch()
        else:
            (folder / step["make"]).unlink(missing_ok=True)
        return {}

    return do


def _fault(name: str, *makes: str, **more: Any) -> dict[str, Any]:
    do = [{"make": make, "there": True} for make in makes]
    undo = [{"make": make, "there": False} for make in makes if make != "refused"]
    told = {"id": name, "fault": "file", "on": ["lyon"], "settings": {}, "holds": []}
    return {**told, "do": do, "undo": undo, **more}


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return _started(tmp_path)


def _started(folder: Path) -> Keeper:
    started = Keeper(folder, _doing(folder))
    threading.Thread(target=started.keep, daemon=True).start()
    return started


def _until(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_fault_is_in_force_when_it_has_begun_and_undone_at_its_time(tmp_path: Path, keeper: Keeper) -> None:
    assert keeper.begin({"fault": _fault("x", "broken"), "for_s": SOON_S}) == {}
    began = time.monotonic()
    assert (tmp_path / "broken").exists()
    assert [one.id for one in kept(tmp_path)] == ["x"]
    _until(lambda: not (tmp_path / "broken").exists())
    assert time.monotonic() - began == pytest.approx(SOON_S, abs=0.2)
    _until(lambda: not list(kept(tmp_path)))
    started, ended = events.read(tmp_path)
    assert (started["event"], ended["event"]) == ("fault-started", "fault-ended")
    assert started["id"] == ended["id"] == "x"
    assert ended["lasted_s"] == pytest.approx(SOON_S, abs=0.2)


def test_a_fault_that_fails_in_its_middle_is_undone_at_once(tmp_path: Path, keeper: Keeper) -> None:
    assert keeper.begin({"fault": _fault("x", "broken", "refused"), "for_s": 60.0}) == {"error": "refused"}
    assert not (tmp_path / "broken").exists()
    assert not list(kept(tmp_path))


def test_who_takes_over_ends_what_was_on_and_what_was_half_begun(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    now_s = time.monotonic()
    for name, is_on in (("whole", True), ("half", False)):
        step = ({"make": name, "there": False},)
        one = Kept(name, "file", ("lyon",), {}, (), (), step, now_s, now_s + (2.0 if is_on else 60.0), None, is_on)
        one.write(tmp_path / FOLDER)
        (tmp_path / name).touch()
    _started(tmp_path)
    _until(lambda: not (tmp_path / "half").exists())
    assert (tmp_path / "whole").exists()
    _until(lambda: not (tmp_path / "whole").exists())
    _until(lambda: not list(kept(tmp_path)))


def test_two_faults_cannot_hold_the_same_thing_and_the_second_changes_nothing(tmp_path: Path, keeper: Keeper) -> None:
    keeper.begin({"fault": _fault("x", "one", holds=["the PACS of lyon"]), "for_s": 60.0})
    answer = keeper.begin({"fault": _fault("y", "two", holds=["the PACS of lyon"]), "for_s": 60.0})
    assert "file (x) has hold of the PACS of lyon" in answer["error"]
    assert not (tmp_path / "two").exists()
    assert keeper.end({"ids": ["x", "long-over"]}) == {}
    assert not (tmp_path / "one").exists()
    assert keeper.begin({"fault": _fault("y", "two", holds=["the PACS of lyon"]), "for_s": 60.0}) == {}


def test_a_beating_fault_comes_and_goes_until_its_end(tmp_path: Path, keeper: Keeper) -> None:
    keeper.begin({"fault": _fault("x", "broken", beat_s=[0.2, 0.2]), "for_s": 1.0})
    seen = []
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        there = (tmp_path / "broken").exists()
        seen += [there] if not seen or seen[-1] != there else []
        time.sleep(0.01)
    assert seen in ([True, False, True, False, True, False], [True, False, True, False])


def test_a_fault_can_be_left_longer_or_shorter_than_it_was_to_last(tmp_path: Path, keeper: Keeper) -> None:
    keeper.begin({"fault": _fault("x", "broken"), "for_s": SOON_S})
    keeper.leave({"left_s": {"x": 60.0, "long-over": 1.0}})
    time.sleep(2 * SOON_S)
    assert (tmp_path / "broken").exists()
    keeper.leave({"left_s": {"x": 0.0}})
    assert not (tmp_path / "broken").exists()


def test_what_cannot_be_undone_is_tried_again_and_said(tmp_path: Path, keeper: Keeper) -> None:
    fault = _fault("x", "broken")
    stubborn = tmp_path / "stubborn"
    stubborn.mkdir()
    fault["undo"] = [{"make": "stubborn", "there": False}]  # a folder is no file: unlinking it fails
    keeper.begin({"fault": fault, "for_s": 0.0})
    _until(lambda: any(event["event"] == "fault-not-undone" for event in events.read(tmp_path)))
    assert next(iter(kept(tmp_path))).id == "x"
    stubborn.rmdir()
    _until(lambda: not list(kept(tmp_path)))
