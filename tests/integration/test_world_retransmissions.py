"""What was sent again and what was dropped, against captures at both ends of a line that loses packets."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from captures import captured, fields, repeated_bytes
from link_probes import WITHIN_S, iperf3_server, wait_until_closed, wait_until_listening
from networks import make_site, make_topology, quiet

from emulator.places import HUB_ADDRESS, MODEL_PORT, UPDATE_PORT
from emulator.topology.resolved import Direction, Link
from emulator.worlds import World

pytestmark = pytest.mark.integration

SITE = "lossy"
ENDS = ("hub", f"{SITE}/worker")
_ROOT = str(Path(__file__).parents[2])
_WATCH = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from emulator.drops import DropMeter, Router
from emulator.retransmissions import Retransmissions
sites = {sys.argv[3]: 1}
again, meter, router = Retransmissions(sites), DropMeter(), Router.of(sys.argv[2], sites)
while True:
    told = {"again": again.take(), "drops": meter.take(router.read())}
    print(json.dumps(told, default=dataclasses.asdict), flush=True)
    if not sys.stdin.readline():
        break
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One site behind a line that loses one packet in fifty, each way."""
    before = os.environ.get("TESTBED_HOME")
    os.environ["TESTBED_HOME"] = str(tmp_path_factory.mktemp("home"))
    link = Link("lossy", Direction(20_000_000, 0.01, loss=0.02), Direction(10_000_000, 0.01, loss=0.02))
    site = replace(make_site(1, "vdsl", SITE), link=link)
    try:
        yield World.up(make_topology("again", [site]), "again", [], None, quiet)
    finally:
        World.down("again")
        if before is None:
            del os.environ["TESTBED_HOME"]
        else:
            os.environ["TESTBED_HOME"] = before


class Watch:
    """The counters' readers, in the world's hub; each asking tells what has been since the last."""

    def __init__(self, world: World) -> None:
        reads, self._asks = os.pipe()
        self._told, writes = os.pipe()
        argv = [sys.executable, "-c", _WATCH, _ROOT, world.name, SITE]
        with os.fdopen(reads) as stdin, os.fdopen(writes, "w") as stdout:
            self._process = world.run("hub", argv, stdin=stdin, stdout=stdout)
        self._lines = os.fdopen(self._told)
        self._lines.readline()

    def since(self) -> dict[str, Any]:
        os.write(self._asks, b"\n")
        told: dict[str, Any] = json.loads(self._lines.readline())
        return told

    def close(self) -> None:
        os.close(self._asks)
        self._process.wait()
        self._lines.close()


def _send(world: World, port: int, *more: str) -> None:
    call = ["iperf3", "-c", HUB_ADDRESS, "-p", str(port), "-n", "3M", *more]
    with iperf3_server(world, port):
        assert world.output(f"{SITE}/worker", call)[0] == 0
    wait_until_closed(world, ENDS, port)  # the end of a connection is lost as often as anything else


def test_what_tcp_sent_again_and_what_the_router_dropped_is_what_captures_at_both_ends_show(
    world: World, tmp_path: Path
) -> None:
    watch = Watch(world)
    with (
        captured(world, f"{SITE}/worker", "eth0", tmp_path / "worker.pcapng") as at_worker,
        captured(world, "hub", "wan", tmp_path / "hub.pcapng") as at_hub,
    ):
        watch.since()
        _send(world, UPDATE_PORT)
        first = watch.since()
        _send(world, MODEL_PORT, "-R")
        second = watch.since()
    watch.close()
    again = first["again"][SITE]
    assert again["update"]["tx"]["sent"] == repeated_bytes(at_worker, f"tcp.dstport == {UPDATE_PORT}") > 20_000
    assert again["model"] == {"rx": {"sent": 0, "came": 0}, "tx": {"sent": 0, "came": 0}}
    again = second["again"][SITE]
    assert again["model"]["rx"]["sent"] == repeated_bytes(at_hub, f"tcp.srcport == {MODEL_PORT}") > 20_000
    assert again["model"]["rx"]["came"] < again["model"]["rx"]["sent"] / 2  # most was sent again because it was lost
    for told, port in ((first, UPDATE_PORT), (second, MODEL_PORT)):
        drops = told["drops"][SITE]
        for way, side, (sender, receiver) in (
            ("tx", "dst", (at_worker, at_hub)),
            ("rx", "src", (at_hub, at_worker)),
        ):
            sent, came = (len(fields(file, f"tcp.{side}port == {port}", ["ip.len"])) for file in (sender, receiver))
            assert drops[way]["lost"] + drops[way]["overflowed"] == sent - came
            assert drops[way]["lost"] > 0


def test_a_connection_whose_process_is_killed_has_told_all_that_it_sent_again(world: World, tmp_path: Path) -> None:
    watch = Watch(world)
    with captured(world, f"{SITE}/worker", "eth0", tmp_path / "worker.pcapng") as at_worker:
        watch.since()
        server = world.run("hub", ["iperf3", "-s", "-1", "-p", str(UPDATE_PORT)], stdout=subprocess.DEVNULL)
        wait_until_listening(world, "hub", UPDATE_PORT)
        argv = ["iperf3", "-c", HUB_ADDRESS, "-p", str(UPDATE_PORT), "-t", "60"]
        client = world.run(f"{SITE}/worker", argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        told = [_first(watch)]
        for _ in range(2):  # boundaries, while it sends: 600 packets and more, of which chance spares all once in 10^5
            time.sleep(1.5)
            told.append(watch.since())
        for process in (client, server):
            process.signal(signal.SIGKILL)
            process.wait()
        wait_until_closed(world, ENDS, UPDATE_PORT)
        told.append(watch.since())
    watch.close()
    sent = [one["again"][SITE]["update"]["tx"]["sent"] for one in told]
    assert sum(sent) == repeated_bytes(at_worker, f"tcp.dstport == {UPDATE_PORT}")
    assert min(sent[:3]) > 0


def _first(watch: Watch) -> dict[str, Any]:
    """What was told when something had been sent again; before that, nothing was."""
    until = time.monotonic() + WITHIN_S
    while not (told := watch.since())["again"][SITE]["update"]["tx"]["sent"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    return told
