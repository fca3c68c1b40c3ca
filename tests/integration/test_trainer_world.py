"""A training in a real world: real PACS, real links, the kernel's counters."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from networks import HUB_LINK, LINKS, quiet

from emulator.topology import Cohort, Compute, Hub, Pacs, Site, Topology, Training, dump
from emulator.worlds import World
from nodes import cohorts, pacs
from nodes.cohorts.sizes import computed, studies_of
from testbed.planning import plan, total
from trainer.config import LaunchConfig, SitePlace
from trainer.record import Run

pytestmark = pytest.mark.integration

TRAINING = Training("dementia", "fedavg", 3, 2, 4, 0.05, 0.25, True)
STUDIES = 9
VOLUME_BYTES = 200_000  # a study's pixels are more than this


def site(index: int, link: str) -> Site:
    cohort = Cohort("phantom", STUDIES, {"control": 3, "mci": 3, "ad": 3}, "3T", ("mr", "pet"), "multi-frame")
    return Site(index, link, link, "namespace", LINKS[link], Pacs("modern", "orthanc"), cohort, Compute(0.01 * index))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three sites on unlike links, each with a PACS that holds its studies."""
    before = os.environ.get("TESTBED_HOME")
    home = tmp_path_factory.mktemp("home")
    os.environ["TESTBED_HOME"] = str(home)
    sites = tuple(site(index, link) for index, link in enumerate(("regional", "vdsl", "adsl"), 1))
    topology = Topology("training", 7, Hub(HUB_LINK), sites, TRAINING)
    storages = cohorts.bake(sites, topology.seed, home / "cache", quiet)
    services = [pacs.get("orthanc").services(site, storages[site.name])[0] for site in sites]
    try:
        yield World.up(topology, "training", services, None, quiet)
    finally:
        World.down("training")
        if before is None:
            del os.environ["TESTBED_HOME"]
        else:
            os.environ["TESTBED_HOME"] = before


class Trainer:
    """A training that was started in a world."""

    def __init__(self, world: World, run: str, resume: bool = False, **training: Any) -> None:
        folder = world.folder.parents[1] / "runs" / run
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "topology.json").write_text(dump(world.topology))
        config = LaunchConfig(
            run_folder=folder,
            world=world.name,
            topology_path=folder / "topology.json",
            sites=tuple(
                SitePlace(
                    name=site.name,
                    place=f"{site.name}/worker",
                    endpoint=pacs.get("orthanc").endpoint(site),
                    cache_folder=folder / "disks" / site.name,
                )
                for site in world.topology.sites
            ),
            seed=7,
            training=TRAINING,
            cpu_slots=2,
            resume=resume,
        )
        (folder / "launch.json").write_text(config.model_dump_json())
        self.folder = folder
        self._reads, writes = os.pipe()
        with (folder / "log").open("ab") as log:
            self.process = world.run(
                "hub",
                [sys.executable, "-m", "trainer.launch", str(folder / "launch.json")],
                env={"PYTHONPATH": str(Path(__file__).parents[2])},
                stdin=subprocess.DEVNULL,
                stdout=writes,
                stderr=log,
            )
        os.close(writes)
        self._lines = os.fdopen(self._reads)

    def until(self, event: str, **fields: object) -> dict[str, Any]:
        for line in self._lines:
            said: dict[str, Any] = json.loads(line)
            if said["event"] == event and fields.items() <= said.items():
                return said
        raise AssertionError(f"no {event}: {(self.folder / 'log').read_text()}")

    def ended(self) -> int:
        self._lines.read()
        self._lines.close()
        return self.process.wait()

    def run(self) -> Run:
        return Run(self.folder)


@pytest.fixture(scope="module")
def whole(world: World) -> Run:
    """A training from its first round to its last."""
    trainer = Trainer(world, "whole")
    assert trainer.ended() == 0, (trainer.folder / "log").read_text()
    return trainer.run()


def models(run: Run) -> list[str]:
    return [entry["model_sha256"] for entry in run.summary()["rounds"]]


def test_every_site_takes_part_and_its_held_out_subjects_are_scored(whole: Run) -> None:
    for entry in whole.summary()["rounds"]:
        assert entry["participants"] == ["adsl", "regional", "vdsl"]
        assert entry["missing"] == {}
        assert entry["metrics"]["subjects"] == 3 * 3  # a quarter of three subjects a class, rounded, at each site
    assert whole.state == "done"


def test_wire_bytes_are_payload_and_some_more_and_pulls_are_in_the_first_round(whole: Run) -> None:
    for entry in whole.cost()["rounds"]:
        for purposes in entry["sites"].values():
            for purpose in ("model", "update", "control"):
                parts = purposes[purpose]
                assert (
                    parts["rx_payload"] <= parts["rx_wire"] - parts["rx_repeated"] < 1.2 * parts["rx_payload"] + 20_000
                )
                once = parts["tx_wire"] - parts["tx_retransmitted"]
                assert parts["tx_payload"] <= once < 1.2 * parts["tx_payload"] + 20_000
            pulled = purposes["pull"]["rx_payload"]
            assert (pulled > STUDIES * VOLUME_BYTES) if entry["round"] == 1 else (pulled == 0)
            assert pulled <= purposes["pull"]["rx_wire"] <= 1.1 * pulled


def test_transfers_take_as_long_as_the_links_ask_for(whole: Run) -> None:
    query = "SELECT seconds FROM times WHERE round = 2 AND site = ? AND phase = ?"
    update_bits = 8 * whole.cost()["rounds"][1]["sites"]["adsl"]["update"]["tx_payload"]
    for name in ("adsl", "vdsl"):
        (seconds,) = whole.connection.execute(query, (name, "update")).fetchone()
        floor = update_bits / LINKS[name].up.rate_bps
        assert floor <= seconds < 1.5 * floor + 0.5
    (modelled,) = whole.connection.execute(query, ("adsl", "train")).fetchone()
    assert modelled == pytest.approx(0.03 * 2 * 6)  # seconds a sample × epochs × samples


def test_a_plan_foresees_bytes_and_seconds_of_a_run_within_a_tenth(world: World, whole: Run) -> None:
    foreseen = plan(world.topology, world.folder.parents[1] / "cache")
    cost = whole.cost()["rounds"]
    query = "SELECT phase, min(seconds) FROM times WHERE round > 1 AND site = ? GROUP BY phase"
    for number, planned in ((1, foreseen.first), (2, foreseen.later), (3, foreseen.later)):
        for name, counted in cost[number - 1]["sites"].items():
            for purpose in ("pull", "model", "update"):
                parts = counted[purpose]
                # What a new connection on a slow line sends into a full queue, and again, depends on TCP alone.
                again = parts["tx_retransmitted"] + parts["rx_repeated"]
                found = parts["rx_wire"] + parts["tx_wire"] - again
                expected = total(planned.sites[name].wire, purpose)
                assert expected == pytest.approx(found, rel=0.1), (number, name, purpose)
    for name, planned_site in foreseen.later.sites.items():
        took = dict(whole.connection.execute(query, (name,)).fetchall())
        assert planned_site.seconds["update"] == pytest.approx(took["update"], rel=0.1, abs=0.02)
        assert planned_site.seconds["train"] == pytest.approx(took["train"])
        assert planned_site.seconds["eval"] == pytest.approx(took["eval"])
    emulated_s = min(
        seconds for (seconds,) in whole.connection.execute("SELECT emulated_s FROM rounds WHERE round > 1")
    )
    assert foreseen.later.seconds == pytest.approx(emulated_s, rel=0.1)


def test_studies_that_are_not_baked_yet_are_foreseen_as_if_they_were(world: World) -> None:
    site = world.topology.sites[0]
    baked = studies_of(site, world.topology.seed, world.folder.parents[1] / "cache")
    assert baked.source == "baked"
    assert computed(site.cohort).instances == baked.instances
    assert computed(site.cohort).bytes == pytest.approx(baked.bytes, rel=0.01)


def test_two_runs_of_one_seed_give_one_model(world: World, whole: Run) -> None:
    again = Trainer(world, "again")
    assert again.ended() == 0
    assert models(again.run()) == models(whole)


def test_a_killed_trainer_resumes_at_the_round_it_lost(world: World, whole: Run) -> None:
    trainer = Trainer(world, "killed")
    trainer.until("round", round=1)
    trainer.process.signal(signal.SIGKILL)
    trainer.ended()
    assert trainer.run().state == "interrupted"
    resumed = Trainer(world, "killed", resume=True)
    assert resumed.until("started")["first"] in (2, 3)
    assert resumed.ended() == 0
    assert models(resumed.run()) == models(whole)


def test_what_a_killed_trainers_lost_round_cost_is_kept_beside_the_rounds(world: World, whole: Run) -> None:
    before = _carried(world)
    trainer = Trainer(world, "lost")
    trainer.until("round", round=1)
    trainer.until("round-started", round=2)
    time.sleep(0.5)  # in the middle of a round
    trainer.process.signal(signal.SIGKILL)
    trainer.ended()
    resumed = Trainer(world, "lost", resume=True)
    said = resumed.until("lost-traffic")
    assert resumed.ended() == 0
    cost = resumed.run().cost()
    (lost,) = cost["lost"]
    of_rounds = sum(_wire(entry["sites"]) for entry in cost["rounds"])
    assert (lost["before_round"], _wire(lost["sites"])) == (said["before_round"], said["wire_bytes"])
    assert _wire(lost["sites"]) > 500
    assert cost["total_wire_bytes"] == of_rounds + _wire(lost["sites"])
    # All that the interfaces carried is there, but for the first polls and the last goodbyes.
    assert 0 <= _carried(world) - before - cost["total_wire_bytes"] < 20_000


def test_another_runs_traffic_is_not_taken_for_that_of_a_lost_round(world: World) -> None:
    trainer = Trainer(world, "first")
    trainer.until("round", round=1)
    trainer.process.signal(signal.SIGKILL)
    trainer.ended()
    assert Trainer(world, "second").ended() == 0
    resumed = Trainer(world, "first", resume=True)
    assert resumed.ended() == 0
    assert resumed.run().cost()["lost"] == []


def _wire(sites: dict[str, Any]) -> int:
    return sum(count["rx_wire"] + count["tx_wire"] for purposes in sites.values() for count in purposes.values())


def _carried(world: World) -> int:
    """IP bytes that all workers' interfaces have carried."""
    total = 0
    for one in world.topology.sites:
        printed = world.output(f"{one.name}/worker", ["ip", "-j", "-s", "link", "show", "eth0"])[1]
        for count in json.loads(printed)[0]["stats64"].values():
            total += count["bytes"] - 14 * count["packets"]
    return total


def test_ctrl_c_leaves_no_process_in_the_world(world: World) -> None:
    trainer = Trainer(world, "stopped")
    trainer.until("round", round=1)
    trainer.process.signal(signal.SIGINT)
    assert trainer.ended() == 130
    # A pattern that does not match the command line of the grep itself.
    code, left = world.output("hub", ["sh", "-c", "grep -l 'trainer[.]launch' /proc/[0-9]*/cmdline"])
    assert (code, left) == (1, "")
    assert trainer.run().state == "interrupted"
