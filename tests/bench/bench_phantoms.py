"""Making one exam (T1 and FDG-PET, as DICOM files in a zip) on each scanner: CPU of one core. Limit: 100 ms.

With the server's ingest that keeps a cold bake of 1,500 exams within 3 minutes on 2 cores.
"""

import os
import sys
import time

import numpy as np
from figures import tell

from nodes.cohorts import scanners
from nodes.dicom.archive import Storage, packed, study_files
from nodes.dicom.study import Context
from nodes.phantoms.classes import LABELS
from nodes.phantoms.studio import Studio
from nodes.phantoms.subjects import draw

_LIMIT_MS = 100.0
_EXAMS = 24
_KINDS: dict[str, Storage] = {"1.5T": "single-frame", "3T": "single-frame", "3T-modern": "multi-frame"}


def _on_one_thread() -> None:
    """Baking runs one process a core, so numpy's own threads are switched off, which it reads when it is imported."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **single})  # noqa: S606


def main() -> None:
    _on_one_thread()
    started = time.monotonic()
    studio = Studio()
    print(f"templates are ready after {time.monotonic() - started:.1f} s")
    site = np.random.SeedSequence(1)
    for scanner, storage in _KINDS.items():
        context = Context("bench", 7, scanners.get(scanner))
        people = [draw(n, LABELS[n % 3], np.random.SeedSequence((7, n))) for n in range(_EXAMS + 1)]
        studio.pictures(people[0], scanner, ("mr", "pet"), site)  # the first one prepares the cameras
        started, size = time.process_time(), 0
        for person in people[1:]:
            pictures = studio.pictures(person, scanner, ("mr", "pet"), site)
            size += len(packed(study_files(context, person, pictures, storage)))
        each_ms = 1000 * (time.process_time() - started) / _EXAMS
        print(f"{scanner}, {storage}: {size / _EXAMS / 1e6:.2f} MB an exam")
        tell(f"making one exam, {scanner}", each_ms, _LIMIT_MS, "ms")


if __name__ == "__main__":
    main()
