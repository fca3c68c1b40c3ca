"""Links that change while traffic flows: by hand, by a schedule, by a trace; told by counters, ping and iperf3."""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from live_transfer import RTT_S, change_rate, rate_bps, reached_after_s, upload
from networks import make_site, make_topology, quiet

from emulator import events
from emulator import wan as kernels
from emulator.errors import Fell, WrongInput
from emulator.linkclock import LinkClock
from emulator.places import HUB_ADDRESS
from emulator.reach import Agent
from emulator.topology import Change, Direction, Link
from emulator.topology.resolved import Episode, Topology, Trace
from emulator.worlds import World, playing
from testbed.cli import run

pytestmark = pytest.mark.integration

NAME = "live"
STEADY = Link("steady", *(2 * [Direction(20_000_000, RTT_S / 2 - 0.002, queue_s=0.3)]))
FAR = Episode(2.0, 2.0, 5.0, Change(delay_s=0.1), Change(delay_s=0.1))
SCHEDULED = Link("scheduled", *(2 * [Direction(10_000_000, 0.01)]), (FAR,))
STEPS_BPS = (2_000_000, 8_000_000, 4_000_000, 9_000_000, 3_000_000, 6_000_000)
TRACE = Trace(6.0, tuple(map(float, range(6))), STEPS_BPS)
TRACED = Link("traced", *(2 * [Direction(10_000_000, 0.01)]), (), "steps", "steps")
_LATE_S = 0.25  # what is on its way when a delay falls is not overtaken: 90 ms each way here
_TRIES = 6  # a host that is busy with other things makes changes and packets late


def _topology() -> Topology:
    links = (STEADY, SCHEDULED, TRACED)
    sites = [replace(make_site(i, "4g", link.profile), link=link) for i, link in enumerate(links, 1)]
    return replace(make_topology(NAME, sites), traces={"steps": TRACE})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    before = os.environ.get("TESTBED_HOME")
    os.environ["TESTBED_HOME"] = str(tmp_path_factory.mktemp("home"))
    try:
        yield World.up(_topology(), NAME, [], None, quiet)
    finally:
        World.down(NAME)
        os.environ.pop("TESTBED_HOME")
        os.environ.update({"TESTBED_HOME": before} if before else {})


@pytest.fixture(autouse=True)
def _as_the_topology_says(world: World) -> Iterator[None]:
    yield
    world.reset_link("steady")


def _rtt_ms(world: World, site: str) -> float:
    code, printed = world.output(f"{site}/worker", ["ping", "-c", "5", "-i", "0.05", "-q", HUB_ADDRESS])
    found = re.search(r"= ([\d.]+)/", printed)
    assert code == 0, printed
    assert found, printed
    return float(found[1])


def _in_router(world: World) -> dict[str, str]:
    """What the router has for the way up of the first site."""
    kernel = kernels.choose(world.record.wan)
    shown = kernel.run(Agent(world.folder), ("tc", "class", "show", "dev", kernel.device), "")
    rate = re.search(r"htb 1:1001 .* ceil (\S+)", shown)
    shown = kernel.run(Agent(world.folder), ("tc", "qdisc", "show", "dev", kernel.device), "")
    delay = re.search(r"netem 1001: .* delay (\S+)", shown)
    queue = re.search(r"bfifo 5001: .* limit (\S+)", shown)
    assert rate, shown
    assert delay, shown
    assert queue, shown
    return {"rate": rate[1], "delay": delay[1], "queue": queue[1]}


@pytest.mark.parametrize("asked_bps", [8_000_000, 30_000_000])
def test_a_rate_changes_in_a_running_transfer_without_a_drop_and_within_three_round_trips(
    world: World, asked_bps: int
) -> None:
    took = []
    for _ in range(_TRIES):
        world.reset_link("steady")
        told: list[float] = []
        samples, dropped = upload(
            world, "steady", lambda told=told: told.append(change_rate(world, "steady", asked_bps))
        )
        assert dropped == 0
        usual_bps = rate_bps(samples, samples[0][0], samples[0][0] + 0.4)
        if usual_bps == pytest.approx(STEADY.up.rate_bps, rel=0.1):  # else the host was too busy to tell anything
            took.append(reached_after_s(samples, told[0], asked_bps))
        if took and took[-1] <= 3 * RTT_S:
            break
    assert min(took) <= 3 * RTT_S, took


def test_a_change_of_delay_is_seen_at_once_and_the_reset_takes_it_back(world: World) -> None:
    assert _rtt_ms(world, "steady") == pytest.approx(1000 * RTT_S, abs=2)
    world.change_link("steady", Change(delay_s=0.06), Change(delay_s=0.06))
    assert _rtt_ms(world, "steady") == pytest.approx(124, abs=2)
    assert world.reset_link("steady") == STEADY
    assert _rtt_ms(world, "steady") == pytest.approx(1000 * RTT_S, abs=2)


def test_changes_add_up_until_they_are_reset_and_each_is_logged(world: World) -> None:
    world.change_link("steady", Change(loss=0.1), Change())
    link = world.change_link("steady", Change(rate_bps=5_000_000), Change(rate_bps=4_000_000))
    assert (link.down.loss, link.down.rate_bps) == (0.1, 5_000_000)
    assert (link.up.loss, link.up.rate_bps) == (0.0, 4_000_000)
    world.reset_link("steady")
    logged = [event for event in events.read(world.folder) if event["event"].startswith("link ")][-3:]
    assert [event["event"] for event in logged] == ["link changed", "link changed", "link reset"]
    assert logged[1]["up"] == {"rate_bps": 4_000_000}


def test_duplicates_come_and_go_with_a_change(world: World) -> None:
    world.change_link("steady", Change(duplicate=1.0), Change())
    _, printed = world.output("steady/worker", ["ping", "-c", "5", "-i", "0.1", HUB_ADDRESS])
    assert printed.count("DUP!") == 5 or printed.count("DUP!") == 4  # the last one's may come after the end
    world.reset_link("steady")
    _, printed = world.output("steady/worker", ["ping", "-c", "5", "-i", "0.1", HUB_ADDRESS])
    assert "DUP!" not in printed


def test_a_change_that_the_router_refuses_in_its_middle_leaves_everything_as_it_was(world: World) -> None:
    before = _in_router(world)
    with pytest.raises(Fell, match="refused"):
        world.change_link("steady", Change(), Change(rate_bps=1_000_000, corrupt=2.0))  # a share of 200 %
    assert _in_router(world) == before
    assert world.links()["steady"] == STEADY


def test_an_unknown_site_is_exit_code_2_and_changes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    before = _in_router(world)
    assert run(["link", NAME, "staedy", "--rate", "1mbit"]) == 2
    assert "did you mean 'steady'" in capsys.readouterr().err
    with pytest.raises(WrongInput):
        world.reset_link("nowhere")
    assert _in_router(world) == before
    assert not world.changed_links()


def test_a_command_that_is_killed_leaves_the_link_as_it_was_or_as_it_was_to_be(world: World) -> None:
    argv = [sys.executable, "-m", "testbed", "link", NAME, "steady", "--rate", "3mbit", "--rtt", "300ms"]
    draw = random.Random(7)  # noqa: S311 - moments to be killed at, no secrets
    ended = set()
    note = world.folder / "live.json"
    for _ in range(8):
        world.change_link("steady", Change(), Change(loss=0.0))
        world.reset_link("steady")
        began = time.monotonic()
        command = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while time.monotonic() - began < 20 and '"trying": null' in note.read_text():
            time.sleep(0.0005)
        time.sleep(draw.uniform(0, 0.06))
        command.kill()
        command.wait()
        link = world.link("steady")
        router = _in_router(world)
        ended.add((link.up.rate_bps, round(link.up.delay_s, 4), router["rate"], router["delay"]))
    # The router takes its own transit (90 µs each way) from the delay that it is told; tc prints three digits.
    assert ended <= {(20_000_000, 0.018, "20Mbit", "18.9ms"), (3_000_000, 0.15, "3Mbit", "151ms")}


def test_link_says_what_is_asked_and_what_is_now(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["link", "steady", "--loss", "{mean: 5%, burst: 3}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changed"] is True
    assert told["asked"]["up"]["loss"] == 0
    assert told["present"]["up"]["loss"] == pytest.approx(0.05)
    assert told["by_hand"]["up"]["bursts"]["to_good"] == pytest.approx(1 / 3)


def test_up_gives_links_back_to_the_topology(world: World) -> None:
    world.change_link("steady", Change(), Change(rate_bps=1_000_000))
    assert world.planned(_topology(), []).relink == ("steady",)
    World.up(_topology(), NAME, [], None, quiet)
    assert not world.changed_links()
    assert _in_router(world)["rate"] == "20Mbit"
    assert not world.planned(_topology(), []).any


def _pings(world: World, site: str, for_s: float) -> list[tuple[float, float]]:
    """When each of many pings was sent, on the links' clock, and its round trip (s)."""
    count = str(round(for_s / 0.05))
    began = time.time() - LinkClock.read(world.folder).now()
    code, printed = world.output(f"{site}/worker", ["ping", "-D", "-c", count, "-i", "0.05", HUB_ADDRESS])
    assert code == 0, printed
    found = re.findall(r"\[([\d.]+)\].*time=([\d.]+) ms", printed)
    return [(float(at) - float(ms) / 1000 - began, float(ms) / 1000) for at, ms in found]


def test_a_schedule_moves_the_delay_at_its_moments_and_back(world: World) -> None:
    off = []
    for _ in range(_TRIES):
        pings = _pings(world, "scheduled", 7.0)
        assert any(rtt > 0.2 for _, rtt in pings)
        assert any(rtt < 0.03 for _, rtt in pings)
        phases = [((at - FAR.at_s) % 5.0, rtt > 0.1) for at, rtt in pings]
        wrong = [phase for phase, far in phases if far != (phase < 2.0)]
        off.append(max((min(abs(phase - edge) for edge in (0, 2, 5)) for phase in wrong), default=0.0))
        if off[-1] < _LATE_S:
            break
    assert min(off) < _LATE_S, off


def test_the_throughput_follows_the_trace(world: World) -> None:
    errors: list[list[float]] = []
    for _ in range(_TRIES):
        samples, _ = upload(world, "traced", lambda: None, then_s=7.5)
        started_s = LinkClock.read(world.folder).started_s
        first = int(samples[0][0] - started_s) + 1
        steps = range(first, first + 6)
        carried = {step: rate_bps(samples, started_s + step + 0.25, started_s + step + 0.95) for step in steps}
        errors.append([abs(bps / STEPS_BPS[step % 6] - 1) for step, bps in carried.items()])
        if max(errors[-1]) < 0.1:
            break
    assert min(max(each) for each in errors) < 0.1, errors
    assert min(fmean(each) for each in errors) < 0.05


def _player(world: World) -> int:
    """The process that plays, inside the world."""
    pid = (playing.player_folder(world.folder) / "pid").read_text().split()[0]
    return int(world.output("wan", ["cat", f"/proc/{pid}/task/{pid}/children"])[1])


def _variations(world: World) -> list[dict[str, Any]]:
    return [event for event in events.read(world.folder) if event["event"] == "links varied"]


def test_a_player_that_is_killed_goes_on_at_the_right_place(world: World) -> None:
    killed = _player(world)
    world.output("wan", ["kill", "-9", str(killed)])
    deadline = time.monotonic() + 10
    seen = len(_variations(world))
    while len(_variations(world)) < seen + 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    told = _variations(world)[-1]
    assert told["sites"]["traced"]["up"]["rate_bps"] == STEPS_BPS[int(told["clock_s"] + 0.01) % 6]
    assert _player(world) != killed
    assert any(event["event"] == "player ended" for event in events.read(world.folder))


def test_the_links_clock_jumps_ahead_with_the_emulated_one(world: World) -> None:
    before = LinkClock.read(world.folder).now()
    playing.forward(world.folder, 1000.0)
    assert LinkClock.read(world.folder).now() - before == pytest.approx(1000, abs=2)
    told = _variations(world)[-1]
    assert told["clock_s"] > 1000
    assert world.links()["traced"].up.rate_bps in STEPS_BPS


def test_a_world_whose_links_stay_as_they_are_has_no_player(home: Path) -> None:
    plain = World.up(make_topology("plain", [make_site(1, "4g")]), "plain", [], None, quiet)
    try:
        assert not playing.player_folder(plain.folder).exists()
        playing.forward(plain.folder, 5.0)
        World.up(_topology(), "plain", [], None, quiet)
        assert playing.player_folder(plain.folder).exists()
        plain = World.up(make_topology("plain", [make_site(1, "4g")]), "plain", [], None, quiet)
        assert plain.state == "up"
        assert not (plain.folder / "player.sock").exists()
    finally:
        World.down("plain")
