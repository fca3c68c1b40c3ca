"""Rates by `iperf3`: one real TCP transfer, or several at once where one could not fill the link."""

import json
import math
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from emulator.errors import Fell
from emulator.fidelity.asked import Asked
from emulator.fidelity.load import Shares
from emulator.fidelity.queues import Way
from emulator.places import HUB_ADDRESS, PROBE_PORTS
from emulator.reach import Attached
from emulator.worlds.world import World

_SHARED_BPS = 100_000_000  # asked by sites that are measured side by side: a quarter of what a user-mode router carries
_OF_WHAT_IS_SHARED = 0.5
_SLOW_START_ROUND_TRIPS = 10
_ROUND_TRIPS = 20
_LEAST_S, _LEAST_LEFT_OUT_S = 0.8, 0.2
_FEW_PACKETS_BPS, _FEW_PACKETS_S = 10_000_000, 2.0  # where a packet more or less in a second is seen
_EVERY = ("-i", "0.1")
_EVERY_S = 0.1
_BLOCK = ("-l", "16K")  # what is counted at once: iperf3's own 128 KiB come a few times a second on a slow link
_LISTENS_WITHIN_S = 5.0
_CONNECTS_WITHIN_MS = "10000"


@dataclass(frozen=True)
class Rate:
    """IP bits per second, of `flows` TCP flows for so many `seconds`; how much of these the router ran, and how much of
    the time it waited for a processor.
    """

    bps: float
    flows: int
    router: float = 0.0
    waiting: float = 0.0
    seconds: float = 0.0

    def under(self, load: Shares) -> "Rate":
        """The same, with what the router did meanwhile: it had nothing to do before the transfer and after it."""
        longer = load.seconds / self.seconds if self.seconds else 1.0
        return replace(self, router=min(1.0, load.ran * longer), waiting=load.waited)


def batches(asked: Sequence[Asked], shared_bps: int) -> list[list[Asked]]:
    """Who may be measured at the same time: so few that neither the router nor what they share (`shared_bps`, the
    narrowest of it) gets in their way. Every site is in one batch.
    """
    most_bps = min(_SHARED_BPS, _OF_WHAT_IS_SHARED * shared_bps)
    found: list[list[Asked]] = []
    for one in sorted(asked, key=_fastest_bps, reverse=True):
        for batch in found:
            if len(batch) < len(PROBE_PORTS) and sum(map(_fastest_bps, [*batch, one])) <= most_bps:
                batch.append(one)
                break
        else:
            found.append([one])
    return found


def _fastest_bps(asked: Asked) -> int:
    return max(asked.down.rate_bps, asked.up.rate_bps)


def read(printed: str, way: Way, per_wire: float, flows: int, leave_out_s: float) -> Rate:
    """What `iperf3 -J` printed of who received, but for the first seconds. Raises `Fell` with its own words."""
    try:
        said = json.loads(printed)
        intervals = [part["sum"] for part in (said["server_output_json"] if way == "up" else said)["intervals"]]
        counted = [part for part in intervals if part["start"] > leave_out_s - _EVERY_S / 2]
        bps = 8 * sum(part["bytes"] for part in counted) / sum(part["seconds"] for part in counted)
    except (ValueError, KeyError, ZeroDivisionError) as error:
        raise Fell(f"iperf3 did not measure: {_words(printed)}") from error
    return Rate(bps * per_wire, flows)


def _words(printed: str) -> str:
    try:
        return str(json.loads(printed).get("error", "it said nothing"))
    except ValueError:
        return printed.strip()[-300:]


class Server:
    """An iperf3 server at the hub; a context manager, started at the first transfer."""

    def __init__(self, world: World, port: int) -> None:
        self._world = world
        self._port = port
        self._process: Attached | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def measure(self, asked: Asked, way: Way, longer: int = 1) -> Rate:
        """One transfer between the site's worker and the hub, `longer` times as long as usual. Raises `Fell`."""
        self._listen()
        direction = asked.up if way == "up" else asked.down
        flows = asked.flows(direction)
        least_s = _FEW_PACKETS_S if direction.rate_bps < _FEW_PACKETS_BPS else _LEAST_S
        leave_out_s = max(_LEAST_LEFT_OUT_S, _SLOW_START_ROUND_TRIPS * asked.rtt_s)
        seconds = math.ceil(leave_out_s + longer * max(least_s, _ROUND_TRIPS * asked.rtt_s))
        argv = ["iperf3", "-J", "-c", HUB_ADDRESS, "-p", str(self._port), "-P", str(flows), *_EVERY, *_BLOCK]
        argv += ["--connect-timeout", _CONNECTS_WITHIN_MS]
        argv += ["-t", str(seconds), "-R" if way == "down" else "--get-server-output"]
        code, printed = self._world.output(f"{asked.site}/worker", argv)
        if code:
            self.__exit__()  # it may still be busy with what failed
            raise Fell(f"iperf3 at {asked.site}: {_words(printed)}")
        return replace(read(printed, way, asked.per_wire, flows, leave_out_s), seconds=seconds)

    def _listen(self) -> None:
        if self._process is not None:
            return
        argv = ["iperf3", "-s", "-J", *_EVERY, "-p", str(self._port), "-B", HUB_ADDRESS]
        nothing = subprocess.DEVNULL
        self._process = self._world.run("hub", argv, stdin=nothing, stdout=nothing, stderr=nothing)
        deadline = time.monotonic() + _LISTENS_WITHIN_S
        looking = ("ss", "-Hltn", f"sport = :{self._port}")
        while not self._world.output("hub", looking)[1].strip():
            if time.monotonic() > deadline:
                raise Fell(f"iperf3 at the hub does not listen on port {self._port} within {_LISTENS_WITHIN_S:g} s")
            threading.Event().wait(0.02)
