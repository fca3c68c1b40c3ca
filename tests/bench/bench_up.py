"""`up topologies/50_sites.yaml` with its cohorts cached, against the bare start of the same fifty Orthancs.

Bare: the same configurations on the same copy-on-write layers, each in a network namespace, started as `up` starts
them, without links, router, policy or counters. Limit: 1.5 times that, both measured here in turn, three times.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import tell

from emulator.machines.layers import write_files
from emulator.places import Service, pacs_address
from emulator.worlds import World, home
from nodes import cohorts
from testbed import composition

_TOPOLOGY = Path(__file__).parents[2] / "topologies" / "50_sites.yaml"
_RUNS = 3
_NAME = "bench-up"
_BARE = Path(__file__).parent / "bare_start.py"


def _bare_s(services: list[dict[str, object]]) -> float:
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        plan = Path(folder) / "plan.json"
        plan.write_text(json.dumps({"folder": folder, "services": services}))
        argv = ["unshare", "-Urnmpf", "--kill-child", "--mount-proc", sys.executable, "-I", "-S", str(_BARE), str(plan)]
        return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def _prepared(services: tuple[Service, ...], scratch: Path) -> list[dict[str, object]]:
    """Each service as the bare start wants it, its configuration written."""
    prepared: list[dict[str, object]] = []
    for number, service in enumerate(services, 1):
        folder = scratch / str(number)
        write_files(folder, service)
        prepared.append(
            {
                "argv": [word.replace("@FOLDER@", str(folder)) for word in service.argv],
                "lower": service.overlay.lower if service.overlay else None,
                "folder": str(folder),
                "env": dict(service.env),
                "address": pacs_address(number),
                "port": service.ready_port,
                "path": service.ready_path,
            }
        )
    return prepared


def _up_s() -> float:
    argv = [sys.executable, "-m", "testbed", "up", str(_TOPOLOGY), "--name", _NAME]
    began = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took = time.monotonic() - began
    World.down(_NAME)
    return took


def main() -> None:
    topology = composition.read(_TOPOLOGY)
    storages = cohorts.bake(topology.sites, topology.seed, composition.cache(), lambda _what, _done, _of: None)
    services = composition.services(topology, storages)
    bare, up = [], []
    for _ in range(_RUNS):
        with tempfile.TemporaryDirectory(dir=home()) as scratch:
            bare.append(_bare_s(_prepared(services, Path(scratch))))
        up.append(_up_s())
    print(f"bare start of {len(services)} PACS: {[round(s, 2) for s in bare]} s; up: {[round(s, 2) for s in up]} s")
    tell("up of fifty sites, cohorts cached", statistics.median(up), 1.5 * statistics.median(bare), "s")


if __name__ == "__main__":
    main()
