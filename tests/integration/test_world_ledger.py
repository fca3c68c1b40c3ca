"""The kernel's counters agree with the interface, and with an independent capture, to the byte."""

import itertools
import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from captures import captured, fields
from link_probes import iperf3_server, wait_until_closed

from emulator.ledger import Count, Purpose, moved
from emulator.places import HUB_ADDRESS, MODEL_PORT, MOVE_PORT, UPDATE_PORT, worker_address
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


def _snap(world: World) -> dict[Purpose, Count]:
    code, printed = world.output("hub", [sys.executable, "-c", _READ, _ROOT, SITE])
    assert code == 0, printed
    return {purpose: Count(**count) for purpose, count in json.loads(printed)[SITE].items()}


def _interface(world: World) -> dict[str, dict[str, int]]:
    printed = world.output(f"{SITE}/worker", ["ip", "-j", "-s", "link", "show", "eth0"])[1]
    counted: dict[str, dict[str, int]] = json.loads(printed)[0]["stats64"]
    return counted


def _both(world: World) -> tuple[dict[Purpose, Count], dict[str, dict[str, int]]]:
    """The ledger's and the interface's counters at a moment when nothing moved between the two readings."""
    for _ in range(50):
        before, parts, after = _interface(world), _snap(world), _interface(world)
        if before == after:
            return parts, after
        time.sleep(0.1)
    raise AssertionError("the site's interface never came to rest")


def _traffic(world: World, port: int, *more: str) -> None:
    argv = ["iperf3", "-c", HUB_ADDRESS, "-p", str(port), "-n", "3M", *more]
    with iperf3_server(world, port):
        assert world.output(f"{SITE}/worker", argv)[0] == 0
    wait_until_closed(world, ["hub", f"{SITE}/worker"], port)


def _moved_here(world: World) -> None:
    """As for a C-MOVE: the PACS calls the worker."""
    address = worker_address(next(site.index for site in world.topology.sites if site.name == SITE))
    with iperf3_server(world, MOVE_PORT, f"{SITE}/worker"):
        assert world.output(f"{SITE}/pacs", ["iperf3", "-c", address, "-p", str(MOVE_PORT), "-n", "3M"])[0] == 0
    wait_until_closed(world, [f"{SITE}/worker", f"{SITE}/pacs"], MOVE_PORT)


def test_the_parts_add_up_to_the_interfaces_total(network: World) -> None:
    first_parts, first_total = _both(network)
    _traffic(network, UPDATE_PORT)
    _traffic(network, MODEL_PORT, "-R")
    _moved_here(network)
    network.output(f"{SITE}/worker", ["ping", "-c", "3", "-i", "0.1", HUB_ADDRESS])
    parts, total = _both(network)
    for way in ("rx", "tx"):
        since = moved({SITE: first_parts}, {SITE: parts})[SITE]
        frames = sum(getattr(count, f"{way}_packets") for count in since.values())
        counted = sum(getattr(count, f"{way}_bytes") for count in since.values())
        assert frames == total[way]["packets"] - first_total[way]["packets"]
        assert counted + 14 * frames == total[way]["bytes"] - first_total[way]["bytes"]
    # What iperf3 has written and not sent when its test ends is dropped: of 3 MiB a busy machine sent 1.7 MB.
    assert parts["update"].tx_bytes > 1_000_000
    assert parts["model"].rx_bytes > 1_000_000
    assert parts["pull"].rx_bytes > 1_000_000


def test_a_capture_by_tshark_agrees_to_the_byte(network: World, tmp_path: Path) -> None:
    with captured(network, f"{SITE}/worker", "eth0", tmp_path / "site.pcapng") as capture:
        before = _snap(network)
        _traffic(network, UPDATE_PORT)
        _traffic(network, MODEL_PORT, "-R")
        after = _snap(network)
    _same(capture, [moved({SITE: before}, {SITE: after})[SITE]])


def test_what_flows_over_boundaries_is_counted_once_as_the_capture_shows(network: World, tmp_path: Path) -> None:
    with captured(network, f"{SITE}/worker", "eth0", tmp_path / "site.pcapng") as capture:
        snaps = [_snap(network)]
        argv = ["iperf3", "-c", HUB_ADDRESS, "-p", str(UPDATE_PORT), "-t", "4"]
        with iperf3_server(network, UPDATE_PORT), ThreadPoolExecutor(1) as hand:
            sending = hand.submit(network.output, f"{SITE}/worker", argv)
            while not sending.done():
                time.sleep(0.3)
                snaps.append(_snap(network))
            assert sending.result()[0] == 0
        wait_until_closed(network, ["hub", f"{SITE}/worker"], UPDATE_PORT)
        snaps.append(_snap(network))
    parts = [moved({SITE: before}, {SITE: after})[SITE] for before, after in itertools.pairwise(snaps)]
    assert sum(part["update"].tx_bytes > 50_000 for part in parts) >= 3  # it flowed over boundaries indeed
    _same(capture, parts)


def _same(capture: Path, parts: Sequence[Mapping[Purpose, Count]]) -> None:
    """The parts add up to what the capture shows, in bytes and packets."""
    ports: tuple[tuple[Purpose, int], ...] = (("update", UPDATE_PORT), ("model", MODEL_PORT))
    for purpose, port in ports:
        for way, field in (("rx", "tcp.srcport"), ("tx", "tcp.dstport")):
            lengths = [length for (length,) in fields(capture, f"{field} == {port}", ["ip.len"])]
            assert len(lengths) == sum(getattr(part[purpose], f"{way}_packets") for part in parts)
            assert sum(lengths) == sum(getattr(part[purpose], f"{way}_bytes") for part in parts)
