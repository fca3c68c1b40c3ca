"""From a file of measured round-trip times to a distribution of delays that netem can draw from.

The file has one time in milliseconds a line, or is what `ping` printed (`time=12.3 ms`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from emulator.topology.document import Document
from emulator.topology.problems import Problem
from emulator.topology.reading import WrongFile, beside
from emulator.topology.tree import Node, at

FEWEST = 20
TABLE_SIZE = 4096
UNIT = 8192
"""A deviation of one scale, as netem's tables count it (NETEM_DIST_SCALE)."""
_MOST = 32_767  # tables hold 16-bit numbers: at most four scales from the mean
_LONGEST_S = 10.0
_PING = re.compile(r"\btime[=<]([0-9.]+) ?ms")


@dataclass(frozen=True)
class Delays:
    """Round-trip times, in seconds, and `table`: TABLE_SIZE of their quantiles, as deviations from the mean in units of
    `scale_s` / 8192. The scale is the standard deviation, or more where that would not reach the furthest time.
    """

    least_s: float
    mean_s: float
    scale_s: float
    table: tuple[int, ...]


def delays(times_s: list[float]) -> Delays:
    """The distribution of some round-trip times (s, at least `FEWEST`)."""
    ordered = sorted(times_s)
    mean = fmean(ordered)
    furthest = max(mean - ordered[0], ordered[-1] - mean)
    scale = max(stdev(ordered), furthest * UNIT / _MOST)
    if not scale:
        return Delays(ordered[0], mean, 0.0, ())
    quantiles = (ordered[(2 * i + 1) * len(ordered) // (2 * TABLE_SIZE)] for i in range(TABLE_SIZE))
    return Delays(ordered[0], mean, scale, tuple(round((time - mean) / scale * UNIT) for time in quantiles))


def times(text: str) -> list[float]:
    """The round-trip times in a file's text, in seconds. Raises `WrongFile`."""
    found = [float(time) / 1000 for time in _PING.findall(text)] or list(_plain(text))
    if len(found) < FEWEST:
        raise WrongFile(f"{len(found)} round-trip times", f"measure at least {FEWEST}: ping -c 1000 -i 0.2 HOST >FILE")
    if not all(0 <= time <= _LONGEST_S for time in found):
        raise WrongFile("a time that is negative or above 10 s", "times are in milliseconds")
    return found


def _plain(text: str) -> Iterator[float]:
    for number, line in enumerate(text.splitlines(), 1):
        written = line.partition("#")[0].strip()
        if written:
            try:
                yield float(written) / 1000
            except ValueError:
                raise WrongFile(f"{written[:40]!r} in line {number}", "write one time in milliseconds a line") from None


def files(document: Document) -> list[str]:
    """Every file that a link names."""
    return [link.pings for link in document.links.values() if link.pings is not None]


def read_all(document: Document, tree: Node, folder: Path) -> tuple[Mapping[str, Delays], list[Problem]]:
    """The delays of every link that has `pings`, by its name, read from `folder`; and what is wrong with the files."""
    found: dict[str, Delays] = {}
    problems = []
    for name, link in document.links.items():
        if link.pings is not None:
            try:
                found[name] = delays(times(beside(folder / link.pings)))
            except WrongFile as wrong:
                what, advice = wrong.args
                path = ("links", name, "pings")
                told = Problem.told(
                    at(tree, path).position, f"{what} of '{link.pings}'", "a file of round-trip times", advice
                )
                problems.append(told.within(".".join(path)))
    return found, problems
