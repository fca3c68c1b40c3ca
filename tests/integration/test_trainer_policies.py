"""What a training does about sites that are slow or gone: quorum, deadline, late updates; and its record of it."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from loopback import Started, Trainings

from emulator.topology import Compute, dump, revive
from trainer import record

pytestmark = pytest.mark.integration

SLOW = "site-03"
PATIENT = {"quorum": 0.6, "deadline_s": 20.0, "late": "next-round"}


@pytest.fixture
def trainings(tmp_path: Path) -> Iterator[Trainings]:
    with Trainings(tmp_path) as trainings:
        yield trainings


def start(trainings: Trainings, run: str = "one", resume: bool = False, **settings: Any) -> Started:
    """A training of three sites: two compute for 9 s a round (18 samples and epochs), the third for 54 s."""
    config = trainings.config(run, resume=resume, **settings)
    topology = revive(config.topology_path.read_text())
    *quick, slow = topology.sites
    sites = (*(replace(site, compute=Compute(0.5)) for site in quick), replace(slow, compute=Compute(3.0)))
    config.topology_path.write_text(dump(replace(topology, sites=sites)))
    return trainings.launch(config)


def models(summary: dict[str, Any]) -> list[str]:
    return [entry["model_sha256"] for entry in summary["rounds"]]


def events(started: Started, name: str) -> list[dict[str, Any]]:
    run = record.Run(started.config.run_folder)
    found = [event for event in run.events() if event["event"] == name]
    run.close()
    return found


@pytest.fixture(scope="module")
def late_and_counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with Trainings(tmp_path_factory.mktemp("late")) as trainings:
        started = start(trainings, rounds=8, policy=PATIENT)
        started.done()
        yield started


def test_a_late_update_counts_in_the_round_in_which_it_comes_and_its_site_is_back_after_it(
    late_and_counted: Started,
) -> None:
    first, *later = late_and_counted.summary()["rounds"]
    assert first["participants"] == ["site-01", "site-02"]
    assert "late: no update within the deadline of 20 s" in first["missing"][SLOW]
    assert 20.0 <= first["emulated_s"] < 22.0  # it waited for its deadline, and no longer
    counted = next(entry for entry in later if entry["late"])
    assert SLOW in counted["participants"]
    assert "its update of round 1 came late" in counted["late"][SLOW]
    (used,) = [
        (event["round"], update)
        for event in events(late_and_counted, "aggregated")
        for update in event["updates"]
        if update["round"] == 1 and event["round"] > 1
    ]
    assert used[0] == counted["round"]
    assert used[1]["share"] == pytest.approx(used[0] ** -0.5)
    # Busy until its update was there, it took part in no round between.
    for entry in later[: counted["round"] - 2]:
        assert entry["missing"][SLOW] == "late: its update of round 1 is still on its way"


def test_no_site_s_update_is_counted_twice_for_a_round(late_and_counted: Started) -> None:
    used = [
        (update["site"], update["round"])
        for event in events(late_and_counted, "aggregated")
        for update in event["updates"]
    ]
    assert len(used) == len(set(used))


def test_what_is_dropped_is_missing_and_its_site_trains_in_the_next_round(trainings: Trainings) -> None:
    summary = start(trainings, rounds=3, policy={**PATIENT, "late": "drop"}).done()
    for entry in summary["rounds"]:
        assert entry["participants"] == ["site-01", "site-02"]
        assert "it is dropped" in entry["missing"][SLOW]
    assert summary["missing"] == {SLOW: {"rounds": [1, 2, 3], "why": summary["rounds"][2]["missing"][SLOW]}}


def test_a_deadline_closes_no_round_that_waits_for_all_or_lacks_its_quorum(trainings: Trainings) -> None:
    waits = start(trainings, "waits", rounds=2, policy={**PATIENT, "late": "wait"}).done()
    lacks = start(trainings, "lacks", rounds=2, policy={**PATIENT, "quorum": 1.0}).done()
    for entry in (*waits["rounds"], *lacks["rounds"]):
        assert (len(entry["participants"]), entry["missing"]) == (3, {})
        assert entry["emulated_s"] > 50.0
    assert models(waits) == models(lacks)


@pytest.mark.parametrize("victim", ["launcher", "hub"])
def test_a_kill_loses_no_late_update_that_had_come(
    trainings: Trainings, late_and_counted: Started, victim: str
) -> None:
    started = start(trainings, rounds=8, policy=PATIENT)
    started.until("round", round=2)  # site-03's update of round 1 is there, and its time has not come
    family = started.children()
    os.kill(started.process.pid if victim == "launcher" else family[0].pid, signal.SIGKILL)
    started.process.wait(30)
    psutil.wait_procs(family, timeout=30)
    assert events(started, "late-arrival")
    resumed = start(trainings, resume=True, rounds=8, policy=PATIENT)
    assert models(resumed.done()) == models(late_and_counted.summary())


def test_a_round_without_its_quorum_is_tried_again_and_then_given_up_with_the_reasons(trainings: Trainings) -> None:
    started = trainings.start(rounds=200, sites=2, deadline_s=3.0, policy={"quorum": 1.0})
    started.until("round", round=1)
    started.children()[2].suspend()
    lost = started.until("round-lost")
    assert (lost["attempt"], "1 of 2 sites" in lost["why"]) == (1, True)
    after = started.until("round")
    assert (after["round"], after["participants"]) == (lost["round"], ["site-01", "site-02"])
    started.process.send_signal(signal.SIGTERM)
    assert started.ended() == 130


def test_the_log_tells_who_came_went_and_brought_what_and_when(late_and_counted: Started) -> None:
    run = record.Run(late_and_counted.config.run_folder)
    told = run.events()
    run.close()
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    names = [event["event"] for event in told]
    assert {"connect", "arrival", "aggregated", "late", "late-arrival", "round", "ended"} <= {*names}
    emulated = [event["emulated_s"] for event in told if event["event"] == "round"]
    assert emulated == sorted(emulated)
    assert emulated[-1] > 40.0


def test_a_torn_tail_costs_the_round_in_progress_at_most(trainings: Trainings) -> None:
    started = trainings.start(rounds=6)
    started.until("round", round=2)
    started.process.kill()
    started.process.wait(30)
    before = started.summary()
    log = started.config.run_folder / "events.jsonl"
    log.write_bytes(log.read_bytes()[:-7])
    resumed = trainings.start(rounds=6, resume=True)
    assert resumed.until("log-cut")["bytes"] > 0
    assert resumed.until("started")["first"] == len(before["rounds"]) + 1
    assert models(resumed.done())[: len(before["rounds"])] == models(before)


def test_a_log_that_was_edited_is_not_gone_on_with(trainings: Trainings) -> None:
    started = trainings.start(rounds=30)
    started.until("round", round=1)
    started.process.kill()
    started.process.wait(30)
    log = started.config.run_folder / "events.jsonl"
    edited = log.read_bytes().replace(b'"site-01"', b'"site-02"', 1)
    log.write_bytes(edited)
    resumed = trainings.start(rounds=30, resume=True)
    assert resumed.ended() == 4
    assert "events.jsonl: line" in resumed.events[-1]["why"]
    assert log.read_bytes() == edited
