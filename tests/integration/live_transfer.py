"""A transfer that runs while its link is changed, and what counters say of it; for the tests and the benchmark.

The sender's window holds less than the link and its queue do, so that the transfer itself lets nothing be dropped, and
more than the link alone holds at any rate that is tried, so that the link is what bounds it.
"""

import contextlib
import datetime
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO

from emulator import events
from emulator import wan as kernels
from emulator.places import HUB_ADDRESS, UPDATE_PORT
from emulator.reach import Agent
from emulator.topology import Change
from emulator.worlds import World

RTT_S = 0.04
_WINDOW = "400K"
_WARM_S = 2.5
_ETHERNET_BYTES = 14
_SAMPLER = """
import time
while True:
    with open("/proc/self/net/dev") as table:
        line = next(line for line in table if line.strip().startswith("wan:"))
    octets, packets = line.split(":")[1].split()[:2]
    print(time.monotonic(), octets, packets, flush=True)
    time.sleep(0.004)
"""
Samples = list[tuple[float, int]]
"""Moments (s, monotonic) and the IP bytes that the hub has received until then."""


@contextlib.contextmanager
def sampled(world: World) -> Iterator[Samples]:
    """Filled with what the hub's counter showed, once the block has ended."""
    samples: Samples = []
    with tempfile.TemporaryFile("w+") as printed:
        sampler = world.run("hub", [sys.executable, "-I", "-S", "-c", _SAMPLER], stdout=printed.fileno())
        try:
            yield samples
        finally:
            sampler.signal(signal.SIGKILL)
            sampler.wait()
            samples += _read(printed)


def _read(printed: IO[str]) -> Samples:
    printed.seek(0)
    lines = [line.split() for line in printed.read().splitlines()[:-1]]
    return [(float(at), int(octets) - _ETHERNET_BYTES * int(packets)) for at, octets, packets in lines]


def change_rate(world: World, site: str, asked_bps: int) -> float:
    """Change the rate up of a site; the moment (monotonic) at which the router was told, by the world's log."""
    world.change_link(site, Change(), Change(rate_bps=asked_bps))
    told = [event for event in events.read(world.folder) if event["event"] == "link changed"][-1]
    return time.monotonic() - (time.time() - datetime.datetime.fromisoformat(told["sent"]).timestamp())


def upload(world: World, site: str, change: Callable[[], None], then_s: float = 1.0) -> tuple[Samples, int]:
    """Do something in the middle of an upload of a site: what the hub's counter showed, and how many packets the router
    dropped from just before it to `then_s` after it.
    """
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = world.run("hub", ["iperf3", "-s", "-1", "-p", str(UPDATE_PORT)], **quiet)
    _until_listening(world)
    call = ["iperf3", "-c", HUB_ADDRESS, "-p", str(UPDATE_PORT), "-t", "60", "-w", _WINDOW, "-C", "cubic"]
    client = world.run(f"{site}/worker", call, **quiet)
    try:
        time.sleep(_WARM_S)
        with sampled(world) as samples:
            time.sleep(0.5)
            before = router_drops(world)
            change()
            time.sleep(then_s)
            dropped = router_drops(world) - before
    finally:
        for process in (client, server):
            process.signal(signal.SIGKILL)
            process.wait()
    return samples, dropped


def _until_listening(world: World) -> None:
    for _ in range(200):
        if f":{UPDATE_PORT}" in world.output("hub", ["ss", "-Hltn"])[1]:
            return
        time.sleep(0.05)
    raise AssertionError("iperf3 did not listen")


def router_drops(world: World) -> int:
    """Packets that the router's queues have dropped so far."""
    kernel = kernels.choose(world.record.wan)
    shown = kernel.run(Agent(world.folder), ("tc", "-s", "-j", "qdisc", "show", "dev", kernel.device), "")
    return sum(queue.get("drops", 0) for queue in json.loads(shown))


def rate_bps(samples: Samples, begin: float, end: float) -> float:
    """The mean rate between two moments."""
    inside = [(at, count) for at, count in samples if begin <= at <= end]
    return 8 * (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])


def reached_after_s(samples: Samples, changed_at: float, asked_bps: float) -> float:
    """How long after a change the rate, over one round trip, is first within a tenth of the new one, and over the next
    five as well. Infinite for never.
    """
    for at, _ in samples:
        if at < changed_at:
            continue
        if at + 6 * RTT_S > samples[-1][0]:
            break
        spans = ((at, at + RTT_S), (at + RTT_S, at + 6 * RTT_S))
        if all(abs(rate_bps(samples, *span) / asked_bps - 1) <= 0.1 for span in spans):
            return at - changed_at
    return float("inf")
