"""Lays a fault over links, or takes it away: `python -m emulator.worlds.degrading WORLD-FOLDER FAULT-ID CHANGES`.

A program of its own, since the world's agent, which runs it, sees no libraries. CHANGES is JSON: each site's changes
down and up, or nothing at all.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from emulator import wan
from emulator.errors import CannotHere, TestbedError, WrongState
from emulator.live import revived
from emulator.reach import Agent
from emulator.topology.resolved import Change
from emulator.worlds.home import locked
from emulator.worlds.links import Links
from emulator.worlds.record import WorldRecord, kept_topology

_PATIENCE_S = 30.0  # for another command that changes a link


def main(folder: Path, fault: str, changes: str) -> None:
    """Raises `TestbedError`."""
    record = WorldRecord.read(folder)
    if record is None:
        raise WrongState(f"there is no world in {folder}")
    laid = {site: (revived(down), revived(up)) for site, (down, up) in json.loads(changes).items()}
    more_than_rates = any(replace(way, rate_bps=None) != Change() for both in laid.values() for way in both)
    if more_than_rates and not wan.choose(record.wan).netem:
        raise CannotHere(f"WAN kernel {record.wan} has no netem: only the rate of a link can be changed")
    with locked(record.name, _PATIENCE_S):
        Links(folder, kept_topology(folder), Agent(folder), record.wan).degrade(fault, laid)


if __name__ == "__main__":
    os.environ["TESTBED_HOME"] = str(Path(sys.argv[1]).parent.parent)
    try:
        main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    except (TestbedError, OSError) as error:
        sys.exit(str(error).replace("\n", "; "))
