"""The ledger against tshark: ten rounds of real training, six sites on unlike links, one of which loses packets.

Each worker's interface is captured from before the training to after it. By site, purpose and direction, what tshark
saw must be what the kernel counted meanwhile; and, for studies, models and updates, what the record's ten rounds
add up to, with the goodbyes after the last round (of control, the polls before the first round are in no round).
Limit: less than one byte of difference anywhere. Run: ./dev bench network_ledger
"""

import contextlib
import importlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from figures import tell

from emulator.ledger import ETHERNET_BYTES
from emulator.places import DICOMWEB_PORT, MODEL_PORT, UPDATE_PORT
from emulator.wiring import lan_mac
from emulator.worlds import World
from testbed import composition, training

_TOPOLOGY = """
name: bench-ledger
seed: 7
links:
  lossy: {down: 20mbit, up: 5mbit, rtt: 30ms, loss: 1%}
defaults: {cohort: {studies: 8, storage: multi-frame}, compute: {per_sample: 5ms}}
sites:
  - {name: fibre, link: chu-fibre}
  - {name: home, link: ftth}
  - {name: copper, link: adsl}
  - {name: mobile, link: 4g}
  - {name: lossy, link: lossy}
  - {name: research, link: research-network}
training: {rounds: 10}
"""
_ROOT = str(Path(__file__).parents[2])
_READ = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from emulator.ledger import Ledger
print(json.dumps(Ledger(sys.argv[2:]).snap(), default=dataclasses.asdict))
"""
_PURPOSES = {DICOMWEB_PORT: "pull", MODEL_PORT: "model", UPDATE_PORT: "update"}

Amounts = Counter[tuple[str, str, str]]
"""Bytes by site, purpose and direction."""


def _counted(world: World) -> Amounts:
    """The kernel's counters now."""
    sites = [site.name for site in world.topology.sites]
    code, printed = world.output("hub", [sys.executable, "-c", _READ, _ROOT, *sites])
    assert code == 0, printed
    return Counter(
        {
            (site, purpose, way): count[f"{way}_bytes"]
            for site, purposes in json.loads(printed).items()
            for purpose, count in purposes.items()
            for way in ("rx", "tx")
        }
    )


def _at_rest(world: World) -> tuple[Amounts, float]:
    """The counters at a moment (s since 1970) around which nothing passed."""
    for _ in range(50):
        counted, moment = _counted(world), time.time()
        if counted == _counted(world):
            return counted, moment
    raise AssertionError("the sites never came to rest")


def _seen(site: str, index: int, file: Path, since: float, until: float) -> Amounts:
    """What tshark saw at a site between two moments."""
    captures = importlib.import_module("captures")
    found: Amounts = Counter()
    for way, side, end in (("rx", "src", "dst"), ("tx", "dst", "src")):
        within = f"frame.time_epoch > {since:.6f} && frame.time_epoch < {until:.6f}"
        ours = f"{within} && eth.{end} == {lan_mac(3, index)}"
        for port, size in captures.fields(file, f"{ours} && tcp && !icmp", (f"tcp.{side}port", "ip.len")):
            found[site, _PURPOSES.get(port, "control"), way] += size
        others = captures.fields(file, f"{ours} && (!tcp || icmp)", ["frame.len"])
        found[site, "control", way] += sum(size - ETHERNET_BYTES for (size,) in others)  # ARP, mostly
    return found


def _recorded(run: Path) -> tuple[Amounts, Amounts]:
    """What the record's rounds add up to, and the counters when the last one ended."""
    database = sqlite3.connect(run / "run.sqlite")
    rounds: Amounts = Counter()
    for site, purpose, rx, tx in database.execute("SELECT site, purpose, rx_wire, tx_wire FROM ledger"):
        rounds[site, purpose, "rx"] += rx
        rounds[site, purpose, "tx"] += tx
    mark: Amounts = Counter()
    for site, purpose, rx, tx in database.execute("SELECT site, purpose, rx_wire, tx_wire FROM mark"):
        mark[site, purpose, "rx"], mark[site, purpose, "tx"] = rx, tx
    return rounds, mark


@contextlib.contextmanager
def _world(home: str) -> Iterator[World]:
    os.environ["TESTBED_HOME"] = home
    file = Path(home) / "topology.yaml"
    file.write_text(_TOPOLOGY)
    try:
        yield composition.bring_up(composition.read(file), "bench-ledger", None, lambda _what, _done, _of: None)
    finally:
        World.down("bench-ledger")


def main() -> None:
    sys.path.append(str(Path(_ROOT) / "tests" / "integration"))
    captures = importlib.import_module("captures")
    with tempfile.TemporaryDirectory(prefix="ledger-") as home, _world(home) as world:
        files = {site.name: Path(home) / f"{site.name}.pcapng" for site in world.topology.sites}
        with contextlib.ExitStack() as stack:
            for site, file in files.items():
                stack.enter_context(captures.captured(world, f"{site}/worker", "eth0", file))
            before, since = _at_rest(world)
            run = training.train(world, world.topology.training, world.topology.seed)
            after, until = _at_rest(world)
        seen: Amounts = Counter()
        for site in world.topology.sites:
            seen += _seen(site.name, site.index, files[site.name], since, until)
        rounds, mark = _recorded(Path(home) / "runs" / run)
    _compare(seen, before, after, rounds, mark)


def _compare(seen: Amounts, before: Amounts, after: Amounts, rounds: Amounts, mark: Amounts) -> None:
    by_kernel = max(abs(seen[cell] - (after[cell] - before[cell])) for cell in after)
    by_rounds = max(
        abs(seen[cell] - rounds[cell] - (after[cell] - mark[cell])) for cell in after if cell[1] != "control"
    )
    for cell in (cell for cell in after if seen[cell] != after[cell] - before[cell]):
        print(f"{' '.join(cell)}: {seen[cell]} seen, {after[cell] - before[cell]} counted")
    moved = sum(seen[cell] for cell in after)
    print(f"{len(after)} counters, {moved:,} bytes seen by tshark, {sum(rounds.values()):,} in the rounds")
    tell("ledger's counters against tshark, six sites, ten rounds", by_kernel, 1, "bytes")
    tell("ledger's rounds against tshark, six sites, ten rounds", by_rounds, 1, "bytes")


if __name__ == "__main__":
    main()
