"""The task `dementia`: what preparing a study and a training step cost. Phantoms are made here; no PACS is asked.

Limits: preparing a study ≤ 12 ms of one core, so that it stays below the pull itself (about 35 ms); training
≥ 500 volumes/s on one thread. Run: ./dev bench task
"""

import json
import os
import statistics
import time

import numpy as np
import torch

from nodes.phantoms import classes, subjects
from nodes.phantoms.studio import Studio
from nodes.phantoms.volumes import Scan
from nodes.pull import Study, Volume
from trainer.learning import Learner, Recipe
from trainer.tasks import Sample
from trainer.tasks.dementia import Dementia, prepare

PREPARE_LIMIT_MS, VOLUMES_LIMIT = 12.0, 500.0
STUDIES = 24


def volume(scan: Scan) -> Volume:
    z, y, x = scan.grid.step
    affine = np.diag([x, y, z, 1.0])
    affine[:3, 3] = scan.grid.origin[::-1]
    return Volume(scan.stored.astype(np.float32) * np.float32(scan.slope), affine)


def studies() -> list[Study]:
    studio = Studio()
    made = []
    for number in range(STUDIES):
        label = classes.LABELS[number % 3]
        subject = subjects.draw(number + 1, label, np.random.SeedSequence([7, number]))
        pictures = studio.pictures(subject, "3T", ("mr", "pet"), np.random.SeedSequence(7))
        assert pictures.mri is not None
        assert pictures.pet is not None
        made.append(Study(str(number), "", label, {"MR": volume(pictures.mri), "PT": volume(pictures.pet)}))
    return made


def preparing_ms(made: list[Study]) -> tuple[float, list[Sample]]:
    seconds, samples = [], []
    for study in made:
        begun = time.thread_time()
        samples.append(prepare(study))
        seconds.append(time.thread_time() - begun)
    return 1000 * statistics.median(seconds), samples


def volumes_per_s(samples: list[Sample]) -> float:
    learner = Learner(Dementia().network(), samples, Recipe(8, 0.05), np.random.default_rng(7))
    rates = []
    for _ in range(8):
        begun = time.perf_counter()
        for batch in learner.batches():
            learner.step(batch)
        rates.append(learner.samples / (time.perf_counter() - begun))
    return statistics.median(rates[1:])


def main() -> None:
    torch.set_num_threads(1)
    Dementia().warm()
    milliseconds, samples = preparing_ms(studies())
    rate = volumes_per_s(samples)
    parameters = sum(parameter.numel() for parameter in Dementia().network().parameters())
    share = milliseconds / PREPARE_LIMIT_MS
    print(f"preparing a study: {milliseconds:.1f} ms of one core; ratio {share:.2f} (limit {PREPARE_LIMIT_MS:g} ms)")
    print(f"training: {rate:.0f} volumes/s; ratio {VOLUMES_LIMIT / rate:.2f} (limit {VOLUMES_LIMIT:g}/s or more)")
    found = {
        "bench": "task",
        "prepare_ms": round(milliseconds, 2),
        "prepare_limit_ms": PREPARE_LIMIT_MS,
        "volumes_per_s": round(rate),
        "volumes_per_s_limit": VOLUMES_LIMIT,
        "parameters": parameters,
        "ok": milliseconds <= PREPARE_LIMIT_MS and rate >= VOLUMES_LIMIT,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
    os._exit(0)
