"""Background traffic is what the topology says, takes its share of a link, and leaves nothing else touched."""

import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from networks import LINKS, make_site, make_topology, quiet

from emulator import traffic
from emulator.errors import CannotHere
from emulator.places import HUB_ADDRESS, SINK_PORT, UPDATE_PORT, gateway_address
from emulator.topology.resolved import Direction, Flow, Link, Topology
from emulator.worlds import World

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which(traffic.PROGRAM) is None, reason="no mgen here"),
]

STEADY = Flow("steady", "hub", "constant", 4_000_000)
RANDOM = Flow("hub", "random", "poisson", 4_000_000)
BURSTS = Flow("hub", "bursts", "web", 8_000_000, 0.1, 0.15)
HALF = Flow("full", "hub", "constant", 5_000_000)
FULL = Link("full", Direction(10_000_000, 0.01), Direction(10_000_000, 0.01))
INDEX = {"steady": 1, "random": 2, "bursts": 3, "full": 4}


@pytest.fixture(scope="module")
def topology() -> Topology:
    sites = [make_site(index, "regional", name) for name, index in INDEX.items()]
    sites = [replace(site, link=FULL if site.name == "full" else LINKS["regional"]) for site in sites]
    return replace(make_topology("busy", sites), traffic=(STEADY, RANDOM, BURSTS, HALF))


@pytest.fixture(scope="module")
def world(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESTBED_HOME", str(tmp_path_factory.mktemp("home")))
        try:
            yield World.up(topology, "busy", [], None, quiet)
        finally:
            World.down("busy")


def _bytes(world: World, place: str, interface: str, way: str) -> int:
    """Bytes of IP packets that an interface has counted."""
    printed = world.output(place, ["ip", "-j", "-s", "link", "show", interface])[1]
    counted = json.loads(printed)[0]["stats64"][way]
    return int(counted["bytes"]) - 14 * int(counted["packets"])


def _rate_bps(world: World, place: str, way: str, for_s: float) -> float:
    began, before = time.monotonic(), _bytes(world, place, "wan", way)
    time.sleep(for_s)
    return 8 * (_bytes(world, place, "wan", way) - before) / (time.monotonic() - began)


def _departures(world: World, folder: Path, index: int, for_s: int) -> list[float]:
    """The moments, in seconds, at which the hub sent packets of background traffic to a site."""
    file = folder / f"{time.monotonic_ns()}.pcapng"
    wanted = f"udp port {SINK_PORT} and dst host {gateway_address(index)}"
    capture = ["tshark", "-q", "-i", "wan", "-f", wanted, "-a", f"duration:{for_s}", "-w", str(file)]
    world.run("hub", capture, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait()
    argv = ["tshark", "-r", str(file), "-T", "fields", "-e", "frame.time_relative"]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [float(line) for line in printed.split()]


def _refused(world: World) -> int:
    return sum(one.packets for one in world.refused().values())


@pytest.mark.parametrize(("flow", "place", "way"), [(STEADY, "steady", "tx"), (RANDOM, "random", "rx")])
def test_a_flow_has_the_rate_that_was_asked_for(world: World, flow: Flow, place: str, way: str) -> None:
    refused, rates = _refused(world), []
    for _ in range(5):  # a host that is busy with other things can make a generator late
        rates.append(_rate_bps(world, place, way, 8.0))
        if rates[-1] == pytest.approx(flow.rate_bps, rel=0.05):
            break
    assert min(abs(rate / flow.rate_bps - 1) for rate in rates) < 0.05
    assert _refused(world) == refused


def _gaps(moments: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def test_poisson_packets_come_at_random_moments(world: World, tmp_path: Path) -> None:
    found = []
    for _ in range(5):  # a host that is busy with other things can make a generator late
        gaps = _gaps(_departures(world, tmp_path, INDEX["random"], 8))
        mean = statistics.mean(gaps)
        found.append([sum(gap > times * mean for gap in gaps) / len(gaps) for times in (1, 2)])
        # Of exponential gaps 1/e and 1/e², five standard errors either way; at a constant pace none is twice the mean.
        if found[-1] == [pytest.approx(0.368, abs=0.047), pytest.approx(0.135, abs=0.033)]:
            return
    raise AssertionError(f"shares of gaps above the mean, and above twice the mean: {found}")


def test_web_traffic_is_bursts_at_the_rate_and_silence(world: World, tmp_path: Path) -> None:
    moments = _departures(world, tmp_path, INDEX["bursts"], 20)
    between = 8 * 1500 / BURSTS.rate_bps
    gaps = _gaps(moments)
    silences = [gap for gap in gaps if gap > 10 * between]
    within = [gap for gap in gaps if gap <= 10 * between]
    assert statistics.mean(within) == pytest.approx(between, rel=0.05)
    # About 80 cycles: five standard deviations of what such an alternation does in 20 s.
    on = len(within) * between / moments[-1]
    asked = BURSTS.on_s / (BURSTS.on_s + BURSTS.off_s)
    assert on == pytest.approx(asked, abs=5 * 0.038)
    assert 35 < len(silences) < 140


def test_a_transfer_gets_what_constant_traffic_leaves(world: World) -> None:
    server = world.run(
        "hub", ["iperf3", "-s", "-p", str(UPDATE_PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 30
        while f":{UPDATE_PORT} " not in world.output("hub", ["ss", "-Hltn"])[1]:
            assert time.monotonic() < until
            time.sleep(0.05)
        left = FULL.up.rate_bps - HALF.rate_bps
        rates = []
        for _ in range(5):
            argv = ["iperf3", "-c", HUB_ADDRESS, "-p", str(UPDATE_PORT), "-t", "6", "-O", "2", "-J"]
            code, printed = world.output("full/worker", argv)
            assert code == 0, printed
            rates.append(json.loads(printed)["end"]["sum_received"]["bits_per_second"] * 1500 / 1448)
            if rates[-1] == pytest.approx(left, rel=0.1):
                break
        assert min(abs(rate / left - 1) for rate in rates) < 0.1, rates
    finally:
        server.signal(subprocess.signal.SIGKILL)  # type: ignore[attr-defined] - the module that it imports
        server.wait()


def test_no_byte_of_it_reaches_a_worker_or_its_ledger(world: World) -> None:
    def seen() -> list[object]:
        table = ["nft", "list", "table", "netdev", "ledger"]
        counted = [re.findall(r"packets \d+", world.output(f"{site}/worker", table)[1]) for site in INDEX]
        return [counted, [_bytes(world, f"{site}/worker", "eth0", way) for site in INDEX for way in ("rx", "tx")]]

    time.sleep(0.5)  # what the other tests have sent has arrived
    before, crossed = seen(), _bytes(world, "random", "wan", "rx")
    time.sleep(1.5)
    assert seen() == before
    assert _bytes(world, "random", "wan", "rx") > crossed


def test_nobody_answers_it(world: World) -> None:
    """The hub only sends to `random`: an ICMP that says that nobody listens would come back from there."""
    before = _bytes(world, "random", "wan", "tx")
    time.sleep(1.0)
    assert _bytes(world, "random", "wan", "tx") == before


def _pids(world: World) -> dict[str, str]:
    names = (one.name for one in traffic.generators(world.topology))
    folders = {name: world.folder / "services" / name.replace("/", ".") for name in names}
    return {name: (folder / "pid").read_text().split()[0] for name, folder in folders.items()}


def test_a_generator_that_has_ended_is_told_and_begun_again(world: World, topology: Topology) -> None:
    before = _pids(world)
    assert all(running for _, running in world.flows())
    assert world.output("hub", ["kill", before["hub/traffic-random"]])[0] == 0
    until = time.monotonic() + 30
    while all(running for _, running in world.flows()) and time.monotonic() < until:
        time.sleep(0.05)
    assert [flow for flow, running in world.flows() if not running] == [RANDOM]
    assert world.planned(topology, []).traffic == ("hub/traffic-random",)
    again = World.up(topology, "busy", [], None, quiet)
    after = _pids(again)
    assert all(running for _, running in again.flows())
    assert [name for name in after if after[name] != before[name]] == ["hub/traffic-random"]


def test_changed_traffic_changes_only_its_own_generators(world: World, topology: Topology) -> None:
    before = _pids(world)
    back = Flow("hub", "steady", "constant", 1_000_000)
    changed = World.up(replace(topology, traffic=(STEADY, RANDOM, back)), "busy", [], None, quiet)
    try:
        after = _pids(changed)
        assert set(after) == {"steady/traffic-hub", "hub/traffic-random", "hub/traffic-steady"}
        assert all(after[name] == before[name] for name in ("steady/traffic-hub", "hub/traffic-random"))
        assert _rate_bps(changed, "bursts", "rx", 1.0) == 0
        assert _rate_bps(changed, "full", "tx", 1.0) == 0
        assert _rate_bps(changed, "steady", "rx", 4.0) == pytest.approx(back.rate_bps, rel=0.1)
    finally:
        World.up(topology, "busy", [], None, quiet)


def test_nothing_is_left_of_it_after_down(home: Path, topology: Topology) -> None:
    def generators() -> set[int]:
        return {one.pid for one in psutil.process_iter(["name"]) if one.info["name"] == traffic.PROGRAM}

    before = generators()
    up = World.up(replace(topology, name="brief"), "brief", [], None, quiet)
    assert len(generators() - before) >= len(topology.traffic)
    made = generators() - before
    World.down(up.name)
    assert not made & generators()


def test_without_the_generator_nothing_is_made(home: Path, topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = home.parent / "programs"  # all but the generator
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            if program.name != traffic.PROGRAM and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(CannotHere, match="apt-get install mgen"):
        World.up(replace(topology, name="none"), "none", [], None, quiet)
    assert not (home / "worlds" / "none").exists()
