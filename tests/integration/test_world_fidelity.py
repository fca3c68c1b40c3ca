"""What strays is found: a falsified link by `check`, a starved router by the round's own probes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from blob_runs import trained
from networks import make_site, make_topology, quiet

from emulator import shaping
from emulator import wan as kernels
from emulator.fidelity.check import check
from emulator.places import HUB_ADDRESS
from emulator.reach import Agent
from emulator.topology import Compute, Fidelity, Training
from emulator.waiting import wait_until
from emulator.worlds import World
from trainer.record import Run

pytestmark = pytest.mark.integration

TRAINING = Training("blobs", "fedavg", 2, 1, 8, 0.05, 0.25, True)
# The machine may be shared with others: what they take of it is not what is tested here.
LENIENT = Fidelity(rtt_s=0.003, rtt_share=0.1, rate=0.12, loss=0.01, waiting=0.6, host=0.95)
HOGS = 6


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two sites without PACS: their studies are drawn from numbers."""
    before = os.environ.get("TESTBED_HOME")
    os.environ["TESTBED_HOME"] = str(tmp_path_factory.mktemp("home"))
    sites = [replace(make_site(n, link, link), compute=Compute(0.01)) for n, link in enumerate(("vdsl", "adsl"), 1)]
    topology = replace(make_topology("fidelity", sites), training=TRAINING, fidelity=LENIENT)
    try:
        yield World.up(topology, "fidelity", [], None, quiet)
    finally:
        World.down("fidelity")
        if before is None:
            del os.environ["TESTBED_HOME"]
        else:
            os.environ["TESTBED_HOME"] = before


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "testbed", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)


@contextmanager
def falsified(world: World, site: str, **values: Any) -> Iterator[None]:
    """The router's queues of a site say something else than its topology."""
    kernel = kernels.choose(world.record.wan)
    other = tuple(
        replace(one, link=replace(one.link, down=replace(one.link.down, **values))) if one.name == site else one
        for one in world.topology.sites
    )

    def lay(lines: list[str]) -> None:
        text = "\n".join(lines).replace("@DEV@", kernel.device) + "\n"
        kernel.run(Agent(world.folder), ("tc", "-batch", "-"), text)

    lay(shaping.queues(replace(world.topology, sites=other)))
    try:
        yield
    finally:
        lay(shaping.queues(world.topology))


def marks(run: Run) -> list[set[str]]:
    rounds = run.summary()["rounds"]
    return [{found["reason"] for found in entry["findings"] if found["exceeded"]} for entry in rounds]


def test_links_as_asked_pass_and_status_knows_it(world: World) -> None:
    ended = typed("check", "--json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["world"], found["verdict"]) == ("fidelity", "ok")
    assert [link["site"] for link in found["links"]] == ["vdsl", "adsl"]
    for link in found["links"]:
        assert link["rtt_s"]["measured"] == pytest.approx(link["rtt_s"]["asked"], rel=0.1)
        assert link["rtt_s"]["samples"] > 30
        assert link["up_bps"]["measured"] == pytest.approx(link["up_bps"]["asked"], rel=0.12)
    status = json.loads(typed("status", "--json").stdout)
    assert [site["check"]["verdict"] for site in status["sites"]] == ["ok", "ok"]
    assert world.output("hub", ["sh", "-c", "grep -l 'iper[f]3' /proc/[0-9]*/cmdline"]) == (1, "")


@pytest.mark.parametrize(
    ("values", "word"),
    [({"delay_s": 0.04}, "round trip"), ({"rate_bps": 20_000_000}, "rate down"), ({"loss": 0.1}, "loss")],
)
def test_a_link_that_was_falsified_is_found_and_named(world: World, values: dict[str, float], word: str) -> None:
    with falsified(world, "vdsl", **values):
        found = check(world, quiet)
    vdsl, adsl = found["links"]
    assert found["verdict"] == vdsl["verdict"] == "out-of-bounds"
    assert any(said.startswith(word) for said in vdsl["why"])
    assert adsl["verdict"] == "ok", adsl["why"]


def test_a_world_out_of_bounds_ends_check_with_exit_code_1(world: World) -> None:
    with falsified(world, "adsl", delay_s=0.09):
        ended = typed("check")
    assert ended.returncode == 1
    assert "adsl: round trip" in ended.stdout


def test_check_does_not_disturb_a_training(world: World) -> None:
    hub = world.run(
        "hub", [sys.executable, "-m", "http.server", "8000", "--bind", "10.0.0.2"], stdout=subprocess.DEVNULL
    )
    try:
        while "8000" not in world.output("hub", ["ss", "-Hltn"])[1]:
            pass
        ended = typed("check")
    finally:
        hub.signal(signal.SIGKILL)
        hub.wait()
    assert ended.returncode == 4
    assert "a training runs" in ended.stderr


def test_a_quiet_round_is_ok_and_keeps_its_figures(world: World) -> None:
    run = trained(world, "quiet", world.topology)
    assert marks(run) == [set(), set()], [entry["fidelity_why"] for entry in run.summary()["rounds"]]
    for entry in run.summary()["rounds"]:
        assert entry["fidelity"] == "ok"
        assert {"rtt", "loss", "router", "waiting", "host", "late"} <= {found["reason"] for found in entry["findings"]}


@contextmanager
def starving(world: World) -> Iterator[None]:
    """The router shares one processor with busy loops and comes after them; everybody else has the others."""
    router = (world.folder / "router" / "pid").read_text().split()[0]
    loop = ["timeout", "90", "taskset", "-c", "0", "sh", "-c", "while :; do :; done"]
    hogs = [world.run("wan", loop) for _ in range(HOGS)]
    try:
        _put(world, "0", "chrt -a -o -p 0", 11, router)
        wait_until(lambda: _waited(world, router) > 0.2, within_s=60, what="a router that waits for its processor")
        yield
    finally:
        _put(world, f"0-{(os.cpu_count() or 1) - 1}", "chrt -a -f -p 1", -15, router)
        for hog in hogs:
            hog.signal(signal.SIGKILL)
            hog.wait()


def _waited(world: World, router: str) -> float:
    """The share of a while with traffic in which the router waited for a processor, by the kernel's own count."""

    def waited_s() -> float:
        return int(world.output("wan", ["cat", f"/proc/{router}/schedstat"])[1].split()[1]) / 1e9

    before, began = waited_s(), time.monotonic()
    world.output("vdsl/worker", ["ping", "-q", "-c", "50", "-i", "0.01", HUB_ADDRESS])
    return (waited_s() - before) / (time.monotonic() - began)


def _put(world: World, processors: str, policy: str, nice: int, router: str) -> None:
    """Each process is a session of its own, whose priority the kernel keeps apart."""
    lines = [f"taskset -cp {processors} {router}", f"{policy} {router}", f"echo {nice} >/proc/{router}/autogroup"]
    code, said = world.output("wan", ["sh", "-ec", "; ".join(lines)])
    assert code == 0, said


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the rest of the machine needs a processor of its own")
def test_a_round_during_which_the_router_starves_is_marked_with_the_reason(world: World) -> None:
    if world.record.wan != "uml":
        pytest.skip("a router within the host's kernel does not wait for a processor")
    with starving(world):
        run = trained(world, "starved", replace(world.topology, fidelity=replace(LENIENT, waiting=0.2, rtt_s=0.0005)))
    why = [said for entry in run.summary()["rounds"] for said in entry["fidelity_why"]]
    assert "waiting" in set.union(*marks(run)), [f["said"] for e in run.summary()["rounds"] for f in e["findings"]]
    assert any("router: waited" in said and "processors idle" in said for said in why), why


def test_a_round_over_a_falsified_link_is_marked(world: World) -> None:
    with falsified(world, "vdsl", delay_s=0.06):
        run = trained(world, "falsified", world.topology)
    assert all("rtt" in found for found in marks(run))
    assert all(entry["fidelity"] == "exceeded" for entry in run.summary()["rounds"])
