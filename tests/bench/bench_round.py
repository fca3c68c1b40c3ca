"""A round's wall time against the same training in one plain process loop.

50 sites of 30 studies (24 to train on, 6 held out) with the shapes and the network of the task `dementia`;
the volumes are noise, since time does not depend on values. Hub and workers talk over loopback. The round's
wall time is all of it: orders, model, update and report included, though they cross no link here. The best
round of each counts: the machine may have other work. Run: ./dev bench round
"""

import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from emulator.topology import Training
from nodes.curation import Policy
from nodes.endpoints import Endpoint
from nodes.fetched import Fetched
from trainer import algorithms, launch, seeds, tasks
from trainer.aggregation import Update
from trainer.held_out import split
from trainer.learning import Learner, Recipe, initial
from trainer.record import Run
from trainer.tasks import Sample, Source
from trainer.tasks.dementia import Dementia

SITES, STUDIES, ROUNDS, LIMIT = 50, 30, 5, 1.15
SLOTS = len(os.sched_getaffinity(0))
TRAINING = Training("noise", "fedavg", ROUNDS, 1, 8, 0.05, 0.2, True)


class Noise:
    """Volumes of dementia's shape."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def studies(self) -> list[str]:
        return [f"1.2.{number}" for number in range(STUDIES)]

    def fetch(self, uid: str) -> tuple[Sample, Fetched]:
        values = seeds.generator(0, uid).standard_normal(Dementia.shape, dtype=np.float32)
        return Sample(values.astype(np.float16), int(uid.split(".")[2]) % 3), Fetched(uid, "drawn", "", 1, 1, 0)


@tasks.register("noise")
class NoiseTask:
    """The task `dementia` on noise."""

    classes = Dementia.classes
    view = "noise-1"
    shape = Dementia.shape

    def source(self, endpoint: Endpoint, folder: Path, curation: Policy | None) -> Source:
        return Noise()

    def warm(self) -> None:
        pass

    def network(self) -> nn.Module:
        return Dementia().network()


def plain_loop() -> float:
    """Seconds of a round: all sites trained one after another, averaged, scored; volumes in memory."""
    task, algorithm = NoiseTask(), algorithms.get("fedavg")
    recipe = Recipe(TRAINING.batch_size, TRAINING.learning_rate)
    with Noise() as source:
        samples = {uid: source.fetch(uid)[0] for uid in source.studies()[0]}
    labels = {uid: sample.label for uid, sample in samples.items()}
    parts = {site: split(labels, TRAINING.test_fraction, 7, site) for site in map(str, range(SITES))}
    model = initial(task, 7)
    seconds = []
    for number in range(ROUNDS):
        begun = time.perf_counter()
        updates = []
        for site, part in parts.items():
            shuffle = seeds.generator(7, f"{site}/{number}")
            learner = Learner(task.network(), [samples[uid] for uid in part.train], recipe, shuffle)
            updates.append(Update(site, learner.samples, algorithm.client_update(learner, model, 1)))
        model = algorithm.server_update(model, updates)
        for part in parts.values():
            scorer = Learner(task.network(), [samples[uid] for uid in part.test], recipe, seeds.generator(7, ""))
            scorer.load(model)
            scorer.predict()
        seconds.append(time.perf_counter() - begun)
    return min(seconds[1:])


def federated() -> tuple[float, float]:
    """Seconds of a round over hub and workers, and the largest private memory of a worker, MB."""
    sys.path.append(str(Path(__file__).parents[1] / "integration"))
    loopback = importlib.import_module("loopback")  # trainings on loopback, as the integration tests start them
    with tempfile.TemporaryDirectory() as folder, loopback.Trainings(Path(folder), Path(__file__)) as trainings:
        config = trainings.config("bench", sites=SITES, rounds=ROUNDS)
        started = trainings.launch(config.model_copy(update={"training": TRAINING, "cpu_slots": SLOTS}))
        started.until("round", round=ROUNDS - 1)
        private_mb = max(_private_mb(child.pid) for child in started.children()[1:])
        assert started.ended() == 0, started.events[-1]
        run = Run(config.run_folder)
        rows = run.connection.execute("SELECT wall_s FROM rounds WHERE round > 1").fetchall()
        return min(wall for (wall,) in rows), private_mb


def _private_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def measure() -> dict[str, Any]:
    torch.set_num_threads(1)
    one = plain_loop()
    torch.set_num_threads(SLOTS)
    many = plain_loop()
    torch.set_num_threads(1)
    wall, private_mb = federated()
    loop = min(one, many)
    return {
        "bench": "round",
        "figure_s": round(wall, 3),
        "plain_loop_s": round(loop, 3),
        "plain_loop_one_thread_s": round(one, 3),
        f"plain_loop_{SLOTS}_threads_s": round(many, 3),
        "ratio": round(wall / loop, 3),
        "limit": LIMIT,
        "worker_private_mb": round(private_mb, 1),
        "cpu_slots": SLOTS,
        "ok": wall / loop <= LIMIT,
    }


def main() -> None:
    found = measure()
    print(
        f"round of {SITES} sites: {found['figure_s']} s; plain loop {found['plain_loop_s']} s;"
        f" ratio {found['ratio']} (limit {LIMIT})"
    )
    print(f"a worker's private memory: {found['worker_private_mb']} MB (limit 15 MB)")
    print(json.dumps(found))


if __name__ == "__main__":
    if len(sys.argv) > 1:  # started by itself, as the launcher that knows the task
        os._exit(launch.main(sys.argv[1:]))
    main()
