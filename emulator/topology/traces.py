"""Files that say what a link is over time, in one of two formats, told apart by their first line.

Mahimahi's packet deliveries (Netravali et al. 2015): one whole number of milliseconds a line, each an opportunity for
one packet of 1,500 bytes; the last one is also when the trace begins again. They become rates in bins of `BIN_S`.

CSV: a header of `time` and any of `rate`, `delay` (one way) and `loss`; values with units, as in topologies; an empty
cell leaves the link's own value. Values hold until the next line; the last line is when the trace begins again.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from emulator.topology.document import Document
from emulator.topology.problems import Problem, quoted
from emulator.topology.reading import WrongFile, beside
from emulator.topology.resolved import Trace
from emulator.topology.tree import Node, at
from emulator.topology.units import DURATION, RATE, SHARE, Quantity, WrongQuantity

BIN_S = 0.2
"""Width of the bins of packet deliveries: the round-trip time of a slow cell, and far longer than the router takes to
change a link (`tests/bench/bench_network_live.py` measures it).
"""
PACKET_BYTES = 1500
MOST_STEPS = 100_000
_LONGEST_S = 7 * 86_400
_NEVER_BACK = "time never runs back: sort the lines"
_DELIVERY = re.compile(r"[0-9]{1,12}")
_COLUMNS: Mapping[str, tuple[Quantity, str, str]] = {
    "rate": (RATE, "1kbit", "100gbit"),
    "delay": (DURATION, "0ms", "5s"),
    "loss": (SHARE, "0%", "100%"),
}


def trace(text: str) -> Trace:
    """What a file's text says. Raises `WrongFile`."""
    lines = [(number, line.partition("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1)]
    written = [(number, line) for number, line in lines if line]
    if not written:
        raise WrongFile("no line with anything in it", "write a header 'time,rate', or one number a line")
    return _deliveries(written) if _DELIVERY.fullmatch(written[0][1]) else _table(written)


def _deliveries(lines: list[tuple[int, str]]) -> Trace:
    moments: list[int] = []
    for number, line in lines:
        if not _DELIVERY.fullmatch(line):
            raise WrongFile(f"{quoted(line)} in line {number}", "write one whole number of milliseconds a line")
        if moments and int(line) < moments[-1]:
            raise WrongFile(f"{line} after {moments[-1]} in line {number}", _NEVER_BACK)
        moments.append(int(line))
    if not moments[-1]:
        raise WrongFile("a last moment of 0", "the last line is when the trace begins again: it is above 0")
    return _binned(moments)


def _binned(moments_ms: list[int]) -> Trace:
    """Rates in bins; neighbours with the same rate are one step."""
    width_ms = round(1000 * BIN_S)
    period_ms = moments_ms[-1]
    bins = -(-period_ms // width_ms)
    _refuse_long(period_ms / 1000, bins)
    packets = [0] * bins
    for moment in moments_ms:
        packets[min(moment // width_ms, bins - 1)] += 1
    steps: list[tuple[float, int]] = []
    for number, count in enumerate(packets):
        lasts_ms = min(width_ms, period_ms - number * width_ms)
        rate_bps = round(count * PACKET_BYTES * 8 * 1000 / lasts_ms)
        if not steps or steps[-1][1] != rate_bps:
            steps.append((number * width_ms / 1000, rate_bps))
    return Trace(period_ms / 1000, tuple(step[0] for step in steps), tuple(step[1] for step in steps))


def _table(lines: list[tuple[int, str]]) -> Trace:
    names = [cell.strip() for cell in lines[0][1].split(",")]
    if names[0] != "time" or len(names) < 2 or len(set(names)) < len(names) or not {*names[1:]} <= {*_COLUMNS}:
        advice = "begin with 'time' and any of 'rate', 'delay', 'loss', or write one number of milliseconds a line"
        raise WrongFile(f"the header {quoted(lines[0][1])} in line {lines[0][0]}", advice)
    times: list[float] = []
    columns: dict[str, list[float | None]] = {name: [] for name in names[1:]}
    for (number, _), cells in zip(lines[1:], csv.reader(line for _, line in lines[1:]), strict=True):
        if len(cells) != len(names):
            raise WrongFile(f"{len(cells)} values in line {number}", f"write {len(names)}, as in the header")
        times.append(_later(cells[0], times, number))
        for name, cell in zip(names[1:], cells[1:], strict=True):
            columns[name].append(_value(name, cell.strip(), number))
    if len(times) < 2:
        raise WrongFile("one moment at most", "write at least two: the last one is when the trace begins again")
    _refuse_long(times[-1], len(times))
    held = {name: tuple(values[:-1]) for name, values in columns.items()}
    rates = tuple(None if rate is None else round(rate) for rate in held.get("rate", ()))
    return Trace(times[-1], tuple(times[:-1]), rates, held.get("delay", ()), held.get("loss", ()))


def _later(cell: str, times: list[float], number: int) -> float:
    time_s = float(_measured(DURATION, cell.strip(), number))
    if not times and time_s:
        raise WrongFile(f"{quoted(cell)} as the first time in line {number}", "begin at 0s")
    if times and time_s <= times[-1]:
        before = DURATION.render(Decimal(repr(times[-1])))
        raise WrongFile(f"the time {quoted(cell)} after {before} in line {number}", _NEVER_BACK)
    return time_s


def _value(name: str, cell: str, number: int) -> float | None:
    if not cell:
        return None
    quantity, low, high = _COLUMNS[name]
    value = _measured(quantity, cell, number)
    is_outage = name == "rate" and not value
    if not is_outage and not quantity.parse(low) <= value <= quantity.parse(high):
        raise WrongFile(f"the {name} {quoted(cell)} in line {number}", f"write {low} to {high}")
    return float(value)


def _measured(quantity: Quantity, cell: str, number: int) -> Decimal:
    try:
        return quantity.parse(cell)
    except WrongQuantity as error:
        raise WrongFile(f"{quoted(cell)} in line {number}", str(error)) from error


def _refuse_long(period_s: float, steps: int) -> None:
    if period_s > _LONGEST_S or steps > MOST_STEPS:
        raise WrongFile("more than a week, or than 100,000 steps", "cut it: a trace begins again at its end")


def read_all(document: Document, tree: Node, folder: Path) -> tuple[Mapping[str, Trace], list[Problem]]:
    """The traces of all links, by their files' names, read from `folder`; and what is wrong with the files."""
    found: dict[str, Trace] = {}
    problems = []
    for path, file in _placed(document):
        try:
            if file not in found:
                found[file] = trace(beside(folder / file))
        except WrongFile as wrong:
            what, advice = wrong.args
            told = Problem.told(at(tree, path).position, f"{what} of '{file}'", "a trace", advice)
            problems.append(told.within(".".join(path)))
    return found, problems


def files(document: Document) -> list[str]:
    """Every file that a link names."""
    return [file for _, file in _placed(document)]


def _placed(document: Document) -> Iterable[tuple[tuple[str, ...], str]]:
    """Every file with the place in the document that names it."""
    for name, link in document.links.items():
        for key in ("file", "down", "up"):
            file = getattr(link.trace, key, None)
            if file is not None:
                yield ("links", name, "trace", key), file
