"""What a world's links do, told by programs that know nothing of the emulator: ping, iperf3, dumpcap and tshark."""

import contextlib
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from numbered_packets import IDENTIFIER

from emulator.places import HUB_ADDRESS, gateway_address
from emulator.waiting import wait_until
from emulator.worlds import World

PAYLOAD_SHARE = 1448 / 1500
"""Of a full packet: IP and TCP headers with timestamps take 52 bytes."""
WITHIN_S = 60.0
"""How long to wait for what comes at once: far longer than any machine takes that others use as well."""
_SENDER = Path(__file__).with_name("numbered_packets.py")
_GOOD_CHECKSUM = "1"


@dataclass(frozen=True)
class Arrivals:
    """What came of numbered packets: their order, moments (s) and checksums as they arrived."""

    sent_s: tuple[float, ...]
    arrived: tuple[tuple[int, float, bool], ...]

    @cached_property
    def times(self) -> Counter[int]:
        """How often each number arrived whole."""
        return Counter(number for number, _, good in self.arrived if good)

    @property
    def lost(self) -> int:
        return len(self.sent_s) - len(self.times)

    @property
    def doubled(self) -> int:
        return sum(count - 1 for count in self.times.values())

    @property
    def damaged(self) -> int:
        return sum(not good for _, _, good in self.arrived)

    @property
    def bursts(self) -> list[int]:
        """The lengths of the runs of lost packets."""
        runs = groupby(number in self.times for number in range(len(self.sent_s)))
        return [sum(1 for _ in run) for came, run in runs if not came]

    @property
    def overtaken(self) -> int:
        """How many arrived before one that was sent earlier."""
        numbers = [number for number, _, good in self.arrived if good]
        earliest_later, found = len(self.sent_s), 0
        for number in reversed(numbers):
            found += number > earliest_later
            earliest_later = min(earliest_later, number)
        return found

    @property
    def delays_s(self) -> list[float]:
        """One-way, of those that arrived whole."""
        return [moment - self.sent_s[number] for number, moment, good in self.arrived if good]


@contextlib.contextmanager
def _captured(world: World, place: str, file: Path) -> Iterator[None]:
    """ICMP that arrives at a place's uplink, into a file, while the block runs."""
    argv = ["dumpcap", "-q", "-i", "wan", "-f", "icmp[0] == 0", "-P", "-B", "64", "-w", str(file)]
    with file.with_suffix(".log").open("wb") as log:
        capture = world.run(place, argv, stdout=subprocess.DEVNULL, stderr=log)
        try:
            wait_until(lambda: file.exists() and file.stat().st_size > 0, within_s=WITHIN_S, what="the capture's file")
            time.sleep(0.2)
            yield
        finally:
            capture.signal(2)
            capture.wait()


def numbered(world: World, site: str, count: int, gap_us: int, size: int = 128, settle_s: float = 1.0) -> Arrivals:
    """Send numbered packets from the hub to a site's gateway; `settle_s` is how long the last may be on its way."""
    index = next(one.index for one in world.topology.sites if one.name == site)
    argv = [sys.executable, "-I", "-S", str(_SENDER), gateway_address(index), str(count), str(gap_us), str(size)]
    with tempfile.TemporaryDirectory() as folder:
        file, sent = Path(folder) / "arrived.pcap", Path(folder) / "sent"
        with _captured(world, site, file), sent.open("wb") as moments:
            assert world.run("hub", argv, stdout=moments).wait() == 0
            time.sleep(settle_s)
        return Arrivals(tuple(int(line) / 1e9 for line in sent.read_text().split()), tuple(_arrived(file)))


def _arrived(file: Path) -> Iterator[tuple[int, float, bool]]:
    fields = ["-e", "icmp.ident", "-e", "icmp.seq", "-e", "frame.time_epoch", "-e", "icmp.checksum.status"]
    argv = ["tshark", "-n", "-r", str(file), "-T", "fields", *fields]
    printed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    for line in printed.splitlines():
        identifier, number, moment, status = line.split("\t")
        if not status:
            continue
        mine = identifier and int(identifier.split(",")[0], 0) == IDENTIFIER
        if mine or status != _GOOD_CHECKSUM:
            yield int(number or 0), float(moment), status == _GOOD_CHECKSUM


def round_trips_s(world: World, site: str, count: int, gap_s: float, *more: str) -> list[float]:
    """The round-trip times of `count` pings from a site's worker to the hub."""
    argv = ["ping", "-n", "-c", str(count), "-i", str(gap_s), *more, HUB_ADDRESS]
    _, printed = world.output(f"{site}/worker", argv)
    return [float(found) / 1000 for found in re.findall(r"time=([0-9.]+) ms", printed)]


def wait_until_listening(world: World, place: str, port: int) -> None:
    """Return as soon as somebody at `place` listens on a TCP port."""
    argv = ["ss", "-Hltn", f"sport = :{port}"]
    wait_until(lambda: bool(world.output(place, argv)[1].strip()), within_s=WITHIN_S, what=f"port {port} at {place}")


def wait_until_closed(world: World, places: Sequence[str], port: int) -> None:
    """Return as soon as no connection of a port is open, or still ends, at these places: lost FINs take a while."""
    argv = ["ss", "-Htan", "exclude", "listening", "exclude", "time-wait", f"sport = :{port} or dport = :{port}"]

    def closed() -> bool:
        return not any(world.output(place, argv)[1].strip() for place in places)

    wait_until(closed, within_s=WITHIN_S, what=f"the end of all connections of port {port}")


@contextlib.contextmanager
def iperf3_server(world: World, port: int, place: str = "hub") -> Iterator[None]:
    """One, for one test."""
    server = world.run(place, ["iperf3", "-s", "-1", "-p", str(port)], stdout=subprocess.DEVNULL)
    wait_until_listening(world, place, port)
    try:
        yield
    finally:
        server.wait()


def iperf3(world: World, site: str, port: int, seconds: int, *more: str) -> dict[str, Any]:
    """What iperf3 tells of one test from a site's worker to the hub (`-R` in `more`: the other way)."""
    with iperf3_server(world, port):
        argv = ["iperf3", "-c", HUB_ADDRESS, "-p", str(port), "-t", str(seconds), "-J", *more]
        code, printed = world.output(f"{site}/worker", argv)
    assert code == 0, printed
    told: dict[str, Any] = json.loads(printed)
    return told


def payload_bps(told: dict[str, Any]) -> float:
    """What the receiver got."""
    return float(told["end"]["sum_received"]["bits_per_second"])


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.floor(share * len(ordered)))]
