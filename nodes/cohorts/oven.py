"""The process that bakes: in namespaces of its own, two workers a core, one real server a worker.

Run as `python -m nodes.cohorts.oven`; reads its orders from stdin as one JSON document and prints one JSON event a
line: `{"site": …}` for every study that is stored, `{"failed": why, "full": bool}` when it gives up.
"""

import errno
import fcntl
import json
import multiprocessing
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emulator.topology.resolved import Cohort, Pacs
from nodes import pacs
from nodes.cohorts import defects, scanners
from nodes.cohorts.entries import seal, storage_of
from nodes.cohorts.holdings import Holdings
from nodes.cohorts.keys import entropy
from nodes.defects import Defect
from nodes.defects.spoiling import spoil, spoil_encoded
from nodes.dicom.archive import packed, study_files
from nodes.dicom.dialects import spoken
from nodes.dicom.study import Context
from nodes.errors import TestbedError
from nodes.imports import choosing, cohorts_folder
from nodes.pacs.habits import Writes, writes_of
from nodes.phantoms.classes import LABELS, Label
from nodes.phantoms.studio import Studio
from nodes.phantoms.subjects import Subject, draw

_FIRST_PORT = 8042
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


@dataclass(frozen=True)
class Order:
    """One site's cohort and where it goes. `parts` are whose studies these are: a warehouse holds those of many."""

    site: str
    pacs: Pacs
    cohort: Cohort
    key: str
    seed: int
    shelf: Path
    parts: tuple["Order", ...] = ()

    @property
    def whose(self) -> tuple["Order", ...]:
        """The orders of the sites whose studies these are."""
        return self.parts or (self,)

    @property
    def imported(self) -> Path:
        """The imported cohort that its studies come from."""
        return cohorts_folder(self.shelf.parents[1]) / self.cohort.source


def subjects(cohort: Cohort, site: str, seed: int) -> Iterator[Subject]:
    """The people of a cohort, numbered from 1, classes in a random order."""
    labels: list[Label] = [label for label in LABELS for _ in range(cohort.classes.get(label, 0))]
    np.random.default_rng(entropy(seed, site, "order of classes")).shuffle(labels)
    for number, label in enumerate(labels, start=1):
        yield draw(number, label, np.random.SeedSequence(entropy(seed, site, f"subject {number}")))


def archives(studio: Studio | None, order: Order) -> Iterator[Iterable[bytes]]:
    """Each study of an order as zips of DICOM files: imported ones may be large."""
    if order.cohort.kind == "imported":
        return choosing.archives(order.imported, order.cohort, order.seed)
    if studio is None:
        raise RuntimeError("the templates must be loaded before the workers are forked")
    return ([archive] for archive in studies(studio, order))


def studies(studio: Studio, order: Order) -> Iterator[bytes]:
    """Each phantom study of an order as a zip of DICOM files."""
    cohort = order.cohort
    context = Context(order.site, order.seed, scanners.get(cohort.scanner))
    protocol = np.random.SeedSequence(entropy(order.seed, order.site, "scanner"))
    writes, spoilt = writes_of(order.pacs), defects.drawn(cohort, order.site, order.seed)
    for subject in subjects(cohort, order.site, order.seed):
        pictures = studio.pictures(subject, cohort.scanner, cohort.modalities, protocol)
        files = study_files(context, subject, pictures, cohort.storage)
        yield packed(_as_kept(files, writes, spoilt.get(subject.number)))


def _as_kept(files: list[bytes], writes: Writes, defect: Defect | None) -> list[bytes]:
    """The files of a study as the archive has them: some defects are in the images, some in how these are encoded."""
    if defect is None:
        return spoken(files, writes)
    return spoil_encoded(spoken(spoil(files, defect), writes), defect)


def fill(studio: Studio | None, order: Order, port: int) -> None:
    """Bake one order: into a temporary folder, and by one rename into the shelf."""
    temporary = order.shelf / f".baking-{order.key}"
    storage = storage_of(temporary)
    storage.mkdir(parents=True)
    holdings = Holdings()
    with pacs.get(order.pacs.flavour).fill(storage, port, order.pacs) as server:
        for part in order.whose:
            for study in archives(studio, part):
                for archive in study:
                    server.put(archive)
                    if order.parts:
                        holdings.note(part.site, archive)
                _say({"site": order.site})
        answer = server.count()
    if answer.studies != order.cohort.studies:
        raise TestbedError(f"{order.site}: the server holds {answer.studies} studies, not {order.cohort.studies}")
    if order.parts:
        holdings.write(temporary)
    seal(temporary, order.site, answer)
    temporary.rename(order.shelf / order.key)


def _say(event: dict[str, Any]) -> None:
    # One write of less than a page: lines of several workers do not mix on a pipe.
    os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


_studio: Studio | None = None


def _work(order: Order) -> None:
    worker = int(multiprocessing.current_process().name.rsplit("-", 1)[-1])
    fill(_studio, order, _FIRST_PORT + worker)


def _orders() -> list[Order]:
    given = json.load(sys.stdin)
    seed, shelf = given["seed"], Path(given["shelf"])
    return [_order(one, seed, shelf) for one in given["orders"]]


def _order(one: dict[str, Any], seed: int, shelf: Path) -> Order:
    order = Order(one["site"], Pacs(**one["pacs"]), Cohort(**one["cohort"]), one["key"], seed, shelf)
    parts = (replace(order, site=part["site"], cohort=Cohort(**part["cohort"])) for part in one["parts"])
    return replace(order, parts=tuple(parts))


def main() -> None:
    """Bake all orders."""
    global _studio  # the workers are forked, and share the templates by that
    orders = _orders()
    _raise_loopback()
    if any(part.cohort.kind == "phantom" for order in orders for part in order.whose):
        _studio = Studio()
    # Two workers a core: Orthanc takes 3 s to stop, and sleeps through them while the other one works.
    workers = min(len(orders), 2 * len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
        for result in [pool.submit(_work, order) for order in orders]:
            result.result()


def run() -> int:
    """`main` with its failures told as an event; the exit code."""
    try:
        main()
    except OSError as error:
        _say({"failed": str(error), "full": error.errno in (errno.ENOSPC, errno.EDQUOT)})
    except TestbedError as error:
        prefix = "cannot: " if error.exit_code == 3 else ""
        _say({"failed": f"{prefix}{error}", "full": False})
    else:
        return 0
    return 1


if __name__ == "__main__":
    # The pool would first finish every other order; the namespace ends them all with us instead.
    os._exit(run())
