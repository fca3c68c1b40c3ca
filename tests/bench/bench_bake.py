"""Baking the cohorts of `50_sites.yaml` (about 1,500 exams) cold, on all cores.

Limit: 3 minutes on 2 cores, so 240 ms of CPU an exam; beside it, what the server alone takes to ingest such studies.
"""

import os
import resource
import tempfile
import time
from pathlib import Path

import psutil
from figures import tell

from emulator import topology
from emulator.topology.resolved import Site, Topology
from nodes import cohorts, pacs
from nodes.cohorts import scanners
from nodes.cohorts.oven import Order, studies
from nodes.phantoms.studio import Studio

_TOPOLOGY = Path(__file__).parents[2] / "topologies" / "50_sites.yaml"
_WALL_LIMIT_S = 180.0
_LIMIT_CORES = 2
_CPU_LIMIT_MS = 240.0
_CACHED_LIMIT_S = 0.1
_INGESTED = 20
_PORT = 18742


def _loaded() -> Topology:
    known = topology.Known(
        flavours=pacs.names(),
        scanners=scanners.names(),
        tasks=frozenset({"dementia"}),
        algorithms=frozenset({"fedavg", "local-only"}),
    )
    return topology.load(_TOPOLOGY, known)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _quietly(what: str, done: int, total: int) -> None:
    if done and done % 300 == 0:
        print(f"{what}: {done} of {total}", flush=True)


def _ingest_ms(studio: Studio, site: Site, seed: int, folder: Path) -> float:
    """The server's own CPU a study, archives made beforehand."""
    order = Order(site.name, site.pacs, site.cohort, "none", seed, folder)
    archives = [archive for archive, _ in zip(studies(studio, order), range(_INGESTED), strict=False)]
    storage = folder / site.name / "storage"
    storage.mkdir(parents=True)
    with pacs.get(site.pacs.flavour).fill(storage, _PORT, site.pacs) as server:
        (process,) = psutil.Process().children()
        before = sum(process.cpu_times()[:2])
        for archive in archives:
            server.put(archive)
        used = sum(process.cpu_times()[:2]) - before
    return 1000 * used / len(archives)


def main() -> None:
    world = _loaded()
    exams = sum(site.cohort.studies for site in world.sites)
    with tempfile.TemporaryDirectory(prefix="bench-bake-") as folder:
        studio = Studio()
        kinds = {site.cohort.storage: site for site in world.sites}
        shares = {kind: sum(s.cohort.studies for s in world.sites if s.cohort.storage == kind) for kind in kinds}
        ingest = {kind: _ingest_ms(studio, site, world.seed, Path(folder, "alone")) for kind, site in kinds.items()}
        floor_ms = sum(ingest[kind] * share for kind, share in shares.items()) / exams
        started, used = time.monotonic(), _children_s()
        cohorts.bake(world.sites, world.seed, Path(folder), _quietly)
        wall_s, cpu_ms = time.monotonic() - started, 1000 * (_children_s() - used) / exams
        started = time.monotonic()
        cohorts.bake(world.sites, world.seed, Path(folder), _quietly)
        cached_s = time.monotonic() - started
    cores = len(os.sched_getaffinity(0))
    for kind, figure in ingest.items():
        print(f"the server's own ingest, {kind}: {figure:.1f} ms CPU a study")
    print(f"{exams} exams, {exams / wall_s:.1f} a second on {cores} cores")
    tell("baking 1,500 exams cold", wall_s * 1500 / exams, _WALL_LIMIT_S * _LIMIT_CORES / cores, "s")
    tell("CPU of baking one exam", cpu_ms, _CPU_LIMIT_MS, "ms")
    tell("CPU of baking one exam, over the server's own ingest", cpu_ms, 3 * floor_ms, "ms")
    tell("bake of fifty sites when all is cached", cached_s, _CACHED_LIMIT_S, "s")


if __name__ == "__main__":
    main()
