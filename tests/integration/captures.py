"""Captures by tshark, an independent witness of what crossed an interface."""

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from emulator.places import HUB_ADDRESS
from emulator.worlds import World

_EMPTY_BYTES = 52  # of a segment without data: headers of IP and TCP, and timestamps
_WRITTEN_S = 1.5  # the capture writes in blocks


@contextmanager
def captured(world: World, place: str, device: str, file: Path) -> Iterator[Path]:
    """Capture everything at a place while the block runs; the file is whole afterwards. `place` can reach the hub."""
    argv = ["tshark", "-q", "-i", device, "-w", str(file), "-B", "64"]
    capture = world.run(place, argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_sees(world, place, file)
        yield file
        time.sleep(_WRITTEN_S)
    finally:
        capture.signal(signal.SIGINT)
        capture.wait()


def _wait_until_it_sees(world: World, place: str, file: Path) -> None:
    other = "127.0.0.1" if place == "hub" else HUB_ADDRESS
    for _ in range(100):
        if file.exists() and (place == "hub" or file.stat().st_size > 1000):
            time.sleep(0.5 if place == "hub" else 0.0)
            return
        world.output(place, ["ping", "-c", "1", "-W", "1", other])
        time.sleep(0.1)
    raise AssertionError(f"tshark at {place} never began")


def fields(file: Path, wanted: str, names: Sequence[str]) -> list[tuple[int, ...]]:
    """These fields, whole numbers, of all packets that a display filter lets through; where ICMP carries a part of
    another packet, its own.
    """
    argv = [
        "tshark",
        "-r",
        str(file),
        "-Y",
        wanted,
        "-T",
        "fields",
        "-E",
        "occurrence=f",
        *(part for name in names for part in ("-e", name)),
    ]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [tuple(int(field) for field in line.split("\t")) for line in printed.splitlines()]


def repeated_bytes(file: Path, wanted: str) -> int:
    """IP bytes of segments whose data, beginning or end had been sent before, by their sequence numbers alone."""
    furthest: dict[int, int] = {}
    total = 0
    for stream, sequence, length, size in fields(
        file, f"tcp.len > 0 && {wanted}", ("tcp.stream", "tcp.seq", "tcp.len", "ip.len")
    ):
        if sequence < furthest.get(stream, 0):
            total += size
        furthest[stream] = max(furthest.get(stream, 0), sequence + length)
    return total + _repeated_beginnings(file, wanted) + _repeated_ends(file, wanted)


def _repeated_beginnings(file: Path, wanted: str) -> int:
    """Of SYNs, each as large as any other segment without data is: the kernel tells nobody of their more options."""
    streams = Counter(fields(file, f"tcp.flags.syn == 1 && {wanted}", ("tcp.stream",)))
    return sum((count - 1) * _EMPTY_BYTES for count in streams.values())


def _repeated_ends(file: Path, wanted: str) -> int:
    """IP bytes of segments that carry nothing but the end of a stream (FIN) that was told before."""
    ends, total = set(), 0
    told = fields(file, f"tcp.flags.fin == 1 && {wanted}", ("tcp.stream", "tcp.seq", "tcp.len", "ip.len"))
    for stream, sequence, length, size in told:
        end = (stream, sequence + length)
        total += size if length == 0 and end in ends else 0
        ends.add(end)
    return total
