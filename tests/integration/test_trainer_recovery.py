"""What a training survives: kills at any moment, dead and hanging workers, Ctrl-C."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from loopback import Started, Trainings, blobs

from trainer import record
from trainer.record.folder import held

pytestmark = pytest.mark.integration


@pytest.fixture
def trainings(tmp_path: Path) -> Iterator[Trainings]:
    with Trainings(tmp_path) as trainings:
        yield trainings


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same training, left alone."""
    with Trainings(tmp_path_factory.mktemp("undisturbed")) as trainings:
        return trainings.start(rounds=8).done()


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not alive


def models(summary: dict[str, Any]) -> list[str]:
    return [entry["model_sha256"] for entry in summary["rounds"]]


def test_the_same_seed_gives_the_same_models_and_learns(trainings: Trainings, undisturbed: dict[str, Any]) -> None:
    again = trainings.start(rounds=8).done()
    assert models(again) == models(undisturbed)
    assert again["model_sha256"] == undisturbed["model_sha256"] == models(again)[-1]
    assert len(set(models(again))) == 8
    losses = [entry["metrics"]["loss"] for entry in again["rounds"]]
    assert losses[-1] < losses[0]
    other = trainings.start("other-seed", rounds=1, seed=8).done()
    assert models(other)[0] != models(again)[0]


@pytest.mark.parametrize("victim", ["launcher", "hub"])
@pytest.mark.parametrize("moment", range(4))
def test_a_kill_at_any_moment_loses_at_most_the_round_that_was_on(
    trainings: Trainings, undisturbed: dict[str, Any], victim: str, moment: int
) -> None:
    started = trainings.start(rounds=8)
    if moment:
        started.until("round", round=moment)
    else:
        started.until("started")
    time.sleep(random.Random(f"{victim}{moment}").uniform(0.0, 0.15))  # noqa: S311 - a moment, not a secret
    family = started.children()
    os.kill(started.process.pid if victim == "launcher" else family[0].pid, signal.SIGKILL)
    started.process.wait(30)
    assert gone(family)
    assert not held(started.config.run_folder)
    lost = started.summary()
    assert lost["state"] == "interrupted"
    assert len(lost["rounds"]) >= moment
    resumed = trainings.start(rounds=8, resume=True)
    assert resumed.until("started")["first"] == len(lost["rounds"]) + 1
    assert models(resumed.done()) == models(undisturbed)


@pytest.mark.parametrize("after_s", [0.5, 1.5, 2.2, 2.6])
def test_a_kill_before_the_first_round_loses_nothing(
    trainings: Trainings, undisturbed: dict[str, Any], after_s: float
) -> None:
    started = trainings.start(rounds=8)
    time.sleep(after_s)
    if started.process.poll() is None:  # a fast machine may be done
        started.process.kill()
        started.process.wait()
        started = trainings.start(rounds=8, resume=True)
    if started.ended() != 0:
        assert "is done" in started.events[-1]["why"]  # it was killed when it had just closed its record
    assert models(started.summary()) == models(undisturbed)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whom", ["launcher", "everybody"])
def test_ctrl_c_ends_everything_and_the_run_goes_on_later(
    trainings: Trainings, undisturbed: dict[str, Any], how: signal.Signals, whom: str
) -> None:
    started = trainings.start(rounds=8)
    started.until("round", round=1)
    family = started.children()
    if whom == "everybody":  # as a terminal does it
        os.killpg(started.process.pid, how)
    else:
        started.process.send_signal(how)
    assert started.ended() == 130
    assert gone(family)
    assert started.events[-1]["event"] == "ended"
    assert started.events[-1]["state"] == "interrupted"
    assert not any(event["event"] == "missing" for event in started.events)
    assert started.summary()["state"] == "interrupted"
    assert models(trainings.start(rounds=8, resume=True).done()) == models(undisturbed)


def test_a_worker_that_dies_is_missing_from_its_round_and_comes_back(trainings: Trainings) -> None:
    started = trainings.start(rounds=8, sites=4)
    started.until("round-started", round=2)
    _, *workers = started.children()
    workers[2].kill()
    summary = started.done()
    missing = [entry["missing"] for entry in summary["rounds"]]
    hit = next(number for number, why in enumerate(missing) if why)
    assert missing[hit] == {"site-03": "its worker was ended by SIGKILL"}
    assert not any(missing[hit + 1 :])
    assert summary["rounds"][-1]["participants"] == [f"site-0{i}" for i in range(1, 5)]


def test_a_worker_that_hangs_is_missing_after_the_deadline_and_replaced(trainings: Trainings) -> None:
    started = trainings.start(rounds=3, deadline_s=8.0)
    started.until("round", round=1)
    _, first, *_ = started.children()
    first.suspend()
    begun = time.monotonic()
    summary = started.done()
    assert time.monotonic() - begun < 60  # without a deadline it would hang until the test is ended
    whys = {site: why for entry in summary["rounds"] for site, why in entry["missing"].items()}
    assert set(whys) == {"site-01"}
    assert "no answer within 8 s" in whys["site-01"]
    assert not first.is_running()


def test_a_worker_that_keeps_dying_is_given_up_and_named_in_every_round(trainings: Trainings) -> None:
    started = trainings.start(rounds=200, sites=2, deadline_s=5.0)
    started.until("round", round=1)
    victim_site, seen = "site-02", set()
    while True:
        event = started.until("round")
        if "for the 4th time" in event["missing"].get(victim_site, ""):
            break
        for child in started.children()[1:]:
            if child.pid not in seen and child.pid != started.children()[1].pid:
                seen.add(child.pid)
                child.kill()
    later = started.until("round")
    assert "for the 4th time" in later["missing"][victim_site]
    assert later["participants"] == ["site-01"]


def test_a_run_fails_with_the_reasons_when_nobody_is_left(trainings: Trainings) -> None:
    config = trainings.config("one", sites=2)
    broken = config.model_copy(
        update={"sites": tuple(site.model_copy(update={"endpoint": blobs("x", "x")}) for site in config.sites)}
    )
    started = trainings.launch(broken)
    assert started.ended() == 1
    summary = started.summary()
    assert summary["state"] == "failed"
    assert "site-01 and 1 more: ValueError" in summary["why"]


def test_one_site_whose_pacs_fails_does_not_stop_the_others(trainings: Trainings) -> None:
    config = trainings.config("one", rounds=2)
    first, *rest = config.sites
    started = trainings.launch(
        config.model_copy(update={"sites": (first.model_copy(update={"endpoint": blobs("x", "x")}), *rest)})
    )
    for entry in started.done()["rounds"]:
        assert set(entry["missing"]) == {"site-01"}
        assert entry["participants"] == ["site-02", "site-03"]


def test_an_update_that_is_not_finite_is_refused_and_said(trainings: Trainings) -> None:
    started = trainings.start(learning_rate=1e30)
    assert started.ended() == 1
    assert "not finite" in started.summary()["why"]


def test_a_damaged_volume_is_pulled_again_and_changes_nothing(trainings: Trainings) -> None:
    clean = trainings.start("clean", rounds=2, disk="shared").done()
    for file in (trainings.folder / "disks" / "shared").glob("site-*/blobs-1/*"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    again = trainings.start("again", rounds=2, disk="shared")
    assert models(again.done()) == models(clean)
    assert _pulled(again, 1) > 0
    third = trainings.start("third", rounds=2, disk="shared")
    assert models(third.done()) == models(clean)
    assert _pulled(third, 1) == 0


def test_without_the_cache_every_round_pulls_all_studies(trainings: Trainings) -> None:
    kept = trainings.start("kept", rounds=2)
    kept_models = models(kept.done())
    started = trainings.start("bare", rounds=2, volume_cache=False)
    assert models(started.done()) == kept_models
    assert _pulled(started, 1) == _pulled(started, 2) == _pulled(kept, 1) > 0
    assert _pulled(kept, 2) == 0


def _pulled(started: Started, number: int) -> int:
    run = record.Run(started.config.run_folder)
    sites = run.cost()["rounds"][number - 1]["sites"].values()
    run.close()
    return sum(purposes["pull"]["rx_payload"] for purposes in sites)


def test_local_only_moves_no_model_and_resumes_to_the_same_end(trainings: Trainings) -> None:
    whole = trainings.start("whole", algorithm="local-only", rounds=5)
    expected = models(whole.done())
    run = record.Run(whole.config.run_folder)
    for entry in run.cost()["rounds"]:
        for purposes in entry["sites"].values():
            assert (
                purposes["model"]
                == purposes["update"]
                == {
                    "rx_wire": 0,
                    "tx_wire": 0,
                    "rx_payload": 0,
                    "tx_payload": 0,
                }
            )
    run.close()
    cut = trainings.start("cut", algorithm="local-only", rounds=5)
    cut.until("round", round=2)
    cut.process.kill()
    cut.process.wait()
    assert models(trainings.start("cut", algorithm="local-only", rounds=5, resume=True).done()) == expected
    assert len(set(expected)) == 5


def test_a_run_has_one_trainer_at_a_time_and_only_its_own_settings(trainings: Trainings) -> None:
    first = trainings.start(rounds=80)
    first.until("round", round=1)
    assert first.summary()["state"] == "running"
    second = trainings.start(rounds=80, resume=True)
    assert second.ended() == 4
    assert "being trained by another process" in second.events[-1]["why"]
    first.process.send_signal(signal.SIGTERM)
    assert first.ended() == 130
    changed = trainings.start(rounds=80, resume=True, seed=8)
    assert changed.ended() == 4
    assert "seed was 7, now 8" in changed.events[-1]["why"]
    anew = trainings.start(rounds=80)
    assert anew.ended() == 4
    assert "is there already" in anew.events[-1]["why"]


def test_a_taken_port_is_said_at_once(trainings: Trainings) -> None:
    first = trainings.start("first", rounds=80)
    first.until("round", round=1)
    config = trainings.config("second")
    second = trainings.launch(config.model_copy(update={"hub": first.config.hub}))
    assert second.ended() == 4
    assert "another training runs" in second.events[-1]["why"]
