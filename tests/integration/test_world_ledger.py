"""The kernel's counters agree with the interface, and with an independent capture, to the byte."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emulator.places import HUB_ADDRESS, MODEL_PORT, UPDATE_PORT
from emulator.worlds import World

pytestmark = pytest.mark.integration

SITE = "vdsl-02"
_ROOT = str(Path(__file__).parents[2])
_READ = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from emulator.ledger import Ledger
snap = Ledger(sys.argv[2:]).snap()
print(json.dumps({site: {p: dataclasses.asdict(c) for p, c in parts.items()} for site, parts in snap.items()}))
"""


def _snap(world: World) -> dict[str, dict[str, int]]:
    code, printed = world.output("hub", [sys.executable, "-c", _READ, _ROOT, SITE])
    assert code == 0, printed
    parts: dict[str, dict[str, int]] = json.loads(printed)[SITE]
    return parts


def _interface(world: World) -> dict[str, dict[str, int]]:
    printed = world.output(f"{SITE}/worker", ["ip", "-j", "-s", "link", "show", "eth0"])[1]
    counted: dict[str, dict[str, int]] = json.loads(printed)[0]["stats64"]
    return counted


def _both(world: World) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """The ledger's and the interface's counters at a moment when nothing moved between the two readings."""
    for _ in range(50):
        before, parts, after = _interface(world), _snap(world), _interface(world)
        if before == after:
            return parts, after
        time.sleep(0.1)
    raise AssertionError("the site's interface never came to rest")


def _traffic(world: World, port: int, *more: str) -> None:
    server = world.run("hub", ["iperf3", "-s", "-1", "-p", str(port)], stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    argv = ["iperf3", "-c", HUB_ADDRESS, "-p", str(port), "-n", "3M", *more]
    assert world.output(f"{SITE}/worker", argv)[0] == 0
    server.wait()


def test_the_parts_add_up_to_the_interfaces_total(network: World) -> None:
    first_parts, first_total = _both(network)
    _traffic(network, UPDATE_PORT)
    _traffic(network, MODEL_PORT, "-R")
    network.output(f"{SITE}/worker", ["ping", "-c", "3", "-i", "0.1", HUB_ADDRESS])
    parts, total = _both(network)
    for way in ("rx", "tx"):
        frames = sum(parts[p][f"{way}_packets"] - first_parts[p][f"{way}_packets"] for p in parts)
        counted = sum(parts[p][f"{way}_bytes"] - first_parts[p][f"{way}_bytes"] for p in parts)
        assert frames == total[way]["packets"] - first_total[way]["packets"]
        assert counted + 14 * frames == total[way]["bytes"] - first_total[way]["bytes"]
    assert parts["update"]["tx_bytes"] > 2_500_000
    assert parts["model"]["rx_bytes"] > 2_500_000


def test_a_capture_by_tshark_agrees_to_the_byte(network: World, tmp_path: Path) -> None:
    captured = tmp_path / "site.pcapng"
    argv = ["tshark", "-q", "-i", "eth0", "-w", str(captured), "-B", "64"]
    capture = network.run(f"{SITE}/worker", argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        network.output(f"{SITE}/worker", ["ping", "-c", "1", "-W", "1", HUB_ADDRESS])
        if captured.exists() and captured.stat().st_size > 1000:
            break
        time.sleep(0.1)
    before = _snap(network)
    _traffic(network, UPDATE_PORT)
    _traffic(network, MODEL_PORT, "-R")
    time.sleep(1.5)  # the capture writes in blocks
    after = _snap(network)
    capture.signal(signal.SIGINT)
    capture.wait()
    for purpose, port in (("update", UPDATE_PORT), ("model", MODEL_PORT)):
        for way, field in (("rx", "tcp.srcport"), ("tx", "tcp.dstport")):
            lengths = _lengths(captured, f"{field} == {port}")
            assert len(lengths) == after[purpose][f"{way}_packets"] - before[purpose][f"{way}_packets"]
            assert sum(lengths) == after[purpose][f"{way}_bytes"] - before[purpose][f"{way}_bytes"]


def _lengths(captured: Path, wanted: str) -> list[int]:
    argv = ["tshark", "-r", str(captured), "-Y", wanted, "-T", "fields", "-e", "ip.len"]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [int(line) for line in printed.split()]
