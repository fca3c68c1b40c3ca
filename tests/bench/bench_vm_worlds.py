"""Fifty hospitals on virtual machines and mixed with namespaces: the same model, and what it takes.

Prints wall time and memory of two rounds on fifty virtual machines, and how much longer `up` of 46 namespaces and 4
virtual machines takes than of fifty namespaces. Cohorts, images and golden guests are cached.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from figures import tell
from ruamel.yaml import YAML

from emulator.worlds import World

_TOPOLOGY = Path(__file__).parents[2] / "topologies" / "50_sites.yaml"
_NAME = "bench-worlds"
_RUNS = 3
_LENIENT = {"rtt": "1s", "loss": "50%", "rate": "100%", "router": "100%", "waiting": "100%", "host": "100%"}


def _run(*words: str) -> str:
    return subprocess.run([sys.executable, "-m", "testbed", *words], check=True, capture_output=True, text=True).stdout


def _timed(*words: str) -> float:
    began = time.monotonic()
    _run(*words)
    return time.monotonic() - began


def _written(folder: Path, name: str, guests: int) -> Path:
    """The fifty sites, of which the last entry gives so many to virtual machines."""
    yaml = YAML(typ="safe")
    document: dict[str, Any] = yaml.load(_TOPOLOGY)
    document["fidelity"] = _LENIENT
    if guests:
        group = next(entry for entry in document["sites"] if entry.get("count", 0) > guests)
        group["count"] -= guests
        document["sites"].append({**group, "group": "guest", "count": guests, "machine": "vm"})
    path = folder / f"{name}.yaml"
    yaml.dump(document, path)
    return path


def _trained(topology: Path, machine: str) -> dict[str, Any]:
    _run("up", str(topology), "--name", _NAME, "--machine", machine)
    try:
        took = _timed("train", _NAME, "--rounds", "2")
        memory = World.open(_NAME).memory_bytes()
        print(f"two rounds on fifty {machine}s: {took:.1f} s; {memory / 1e9:.2f} GB of memory after them")
        shown: dict[str, Any] = json.loads(_run("show", "--json"))
        return shown
    finally:
        _run("down", _NAME)


def _up_s(topology: Path) -> float:
    try:
        return _timed("up", str(topology), "--name", _NAME)
    finally:
        _run("down", _NAME)


def main() -> None:
    with TemporaryDirectory() as scratch:
        plain, mixed = _written(Path(scratch), "plain", 0), _written(Path(scratch), "mixed", 4)
        for topology in (plain, mixed):  # what is to be cached
            _up_s(topology)
        alone, both = [], []
        for _ in range(_RUNS):
            alone.append(_up_s(plain))
            both.append(_up_s(mixed))
        print(f"up of fifty namespaces: {[round(s, 2) for s in alone]} s; of 46 and 4 virtual machines: {both} s")
        tell("up of 46 namespaces and 4 virtual machines", statistics.median(both), statistics.median(alone) + 3, "s")
        models = {machine: _trained(plain, machine)["model_sha256"] for machine in ("namespace", "vm")}
        tell("models that fifty virtual machines and fifty namespaces learn", len(set(models.values())), 1, "models")


if __name__ == "__main__":
    main()
