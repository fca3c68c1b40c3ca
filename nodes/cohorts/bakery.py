"""Baking: cohorts that the cache lacks are made, all cores at work, and put into it whole."""

import fcntl
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from emulator.errors import NAMESPACES_ADVICE
from emulator.topology.resolved import Cohort, Site
from emulator.waiting import wait_until
from nodes import pacs, warehouse
from nodes.cohorts import scanners
from nodes.cohorts.entries import damage, full_damage, storage_of
from nodes.cohorts.keys import key_of
from nodes.errors import CannotHere, NoRoom, PullFailed
from nodes.imports import cohorts_folder, imported

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]

_BAKING = ".baking-"
_VOXEL_BYTES = 2.0
_FILE_BYTES = 6000  # header, index row and the file system's rounding of one file
_HEAD_MM3 = 166 * 226 * 184
_SPARE_BYTES = 64 * 2**20
_SWEEP_WITHIN_S = 30.0


def bake(sites: Sequence[Site], seed: int, cache: Path, progress: Progress) -> dict[str, Path]:
    """The baked storage of every site, by its name; what the cache lacks is made first.

    An entry appears in the cache whole or not at all, so that an interrupted bake goes on with what is missing. Two
    bakes at once take turns. A damaged entry is said (through `progress`) and baked again. Raises UnknownName for a
    flavour or scanner that does not exist, CannotHere where phantoms, namespaces or the server are not to be had,
    NoRoom where the disk is full.
    """
    shelf, entries = _shelf(cache), _entries(sites, seed, cache)
    missing = [site for site in sites if damage(entries[site.name])]
    if missing:
        _prove(missing)
        with _locked(shelf, progress) as lock:
            _sweep(shelf)
            missing = [site for site in missing if _must_bake(site, entries[site.name], progress)]
            if missing:
                _run(missing, seed, shelf, lock, progress)
    return storages(sites, seed, cache)


def storages(sites: Sequence[Site], seed: int, cache: Path) -> dict[str, Path]:
    """Where the baked storage of every site is or will be, by its name."""
    return {name: storage_of(entry) for name, entry in _entries(sites, seed, cache).items()}


def lacking(sites: Sequence[Site], seed: int, cache: Path) -> tuple[str, ...]:
    """The names of the sites for which `bake` would bake: their entries are not there, or damaged at a quick look."""
    return tuple(name for name, entry in _entries(sites, seed, cache).items() if damage(entry))


def _shelf(cache: Path) -> Path:
    return cache / "cohorts"


def _entries(sites: Sequence[Site], seed: int, cache: Path) -> dict[str, Path]:
    return {site.name: _shelf(cache) / key_of(site, seed) for site in sites}


def verify(sites: Sequence[Site], seed: int, cache: Path) -> dict[str, str]:
    """The full check: reads every file of every site's entry.

    What is wrong, by the site's name; whole ones are left out.
    """
    problems = {name: full_damage(entry) for name, entry in _entries(sites, seed, cache).items()}
    return {name: problem for name, problem in problems.items() if problem}


def _prove(sites: Sequence[Site]) -> None:
    """Unknown names are found here, before anything is made."""
    for site in sites:
        pacs.get(site.pacs.flavour)
        for part in warehouse.parts(site):
            if part.cohort.kind == "phantom":
                scanners.get(part.cohort.scanner)


@contextmanager
def _locked(shelf: Path, progress: Progress) -> Iterator[int]:
    """Hold the shelf's lock; the oven inherits it, so that it is free only when nothing writes any more."""
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        lock = os.open(shelf / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise CannotHere(
            f"{shelf} cannot be written ({error.strerror}); set TESTBED_HOME to a folder that can"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another command that bakes", 0, 1)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _sweep(shelf: Path) -> None:
    """Remove what an interrupted bake has left. Its servers may still be dying, and writing, for some milliseconds."""

    def gone() -> bool:
        leftovers = list(shelf.glob(f"{_BAKING}*"))
        for leftover in leftovers:
            shutil.rmtree(leftover, ignore_errors=True)
        return not leftovers

    wait_until(gone, within_s=_SWEEP_WITHIN_S, what=f"the end of what an interrupted bake left in {shelf}")


def _must_bake(site: Site, entry: Path, progress: Progress) -> bool:
    """Whether the entry is still lacking, now that the lock is ours; a damaged one is moved out of the way."""
    problem = damage(entry)
    if problem is None:
        return False
    if entry.exists():
        log.warning("cohort damaged", extra={"site": site.name, "problem": problem, "entry": str(entry)})
        progress(f"the cached cohort of {site.name} is damaged: {problem}; baking it again", 0, 1)
        doomed = entry.with_name(f"{_BAKING}damaged-{entry.name}")
        entry.rename(doomed)
        shutil.rmtree(doomed)
    return True


def _needed_bytes(site: Site, shelf: Path) -> int:
    return sum(needed_bytes(part.cohort, shelf) for part in warehouse.parts(site))


def needed_bytes(cohort: Cohort, shelf: Path) -> int:
    """About how much room a cohort takes on disk."""
    if cohort.kind == "imported":
        whole = imported(cohorts_folder(shelf.parents[1]) / cohort.source)
        return round(cohort.studies * (whole.bytes + whole.instances * _FILE_BYTES) / whole.studies)
    scanner = scanners.get(cohort.scanner)
    total = 0.0
    for modality in cohort.modalities:
        protocol = scanner.mri if modality == "mr" else scanner.pet
        files = 166 / protocol.slice_mm if cohort.storage == "single-frame" else 1
        voxels = _HEAD_MM3 / (protocol.in_plane_mm**2 * protocol.slice_mm)
        total += voxels * _VOXEL_BYTES + files * _FILE_BYTES
    return round(total * cohort.studies)


def _check_room(sites: Sequence[Site], shelf: Path) -> None:
    needed = sum(_needed_bytes(site, shelf) for site in sites) + _SPARE_BYTES
    free = shutil.disk_usage(shelf).free
    if free < needed:
        raise NoRoom(_no_room(shelf, free, f"these cohorts need about {needed / 1e6:.0f} MB"))


def _no_room(shelf: Path, free: int, why: str) -> str:
    return (
        f"no room in {shelf}: {free / 1e6:.0f} MB free, and {why}; make room (older cohorts there may be deleted), "
        "or set TESTBED_HOME to a larger disk"
    )


def _run(sites: Sequence[Site], seed: int, shelf: Path, lock: int, progress: Progress) -> None:
    """Start the oven, hand it the orders, follow it to its end."""
    _check_room(sites, shelf)
    total = sum(site.cohort.studies for site in sites)
    progress("baking studies", 0, total)
    # A cohort's bytes do not depend on when it is made; the largest first keeps all cores busy to the end.
    ordered = sorted(sites, key=lambda site: _needed_bytes(site, shelf), reverse=True)
    orders = {
        "shelf": str(shelf),
        "seed": seed,
        "orders": [
            {
                "site": site.name,
                "pacs": asdict(site.pacs),
                "cohort": asdict(site.cohort),
                "key": key_of(site, seed),
                "parts": [{"site": part.name, "cohort": asdict(part.cohort)} for part in warehouse.parts(site)]
                if isinstance(site, warehouse.Warehouse)
                else [],
            }
            for site in ordered
        ],
    }
    with tempfile.TemporaryFile("w+") as complaints:
        oven = subprocess.Popen(
            _oven_argv(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            pass_fds=(lock,),
            env=_oven_environment(),
            text=True,
        )
        try:
            _follow(oven, orders, total, shelf, progress)
            if oven.wait() != 0:
                complaints.seek(0)
                raise _failure(complaints.read().strip()[-800:] or f"exit code {oven.returncode}", False, shelf)
        finally:
            oven.kill()  # and the kernel ends what is in its pid namespace
            oven.wait()
            for stream in filter(None, (oven.stdin, oven.stdout)):
                stream.close()
            _sweep(shelf)


def _oven_argv() -> list[str]:
    """The oven in namespaces of its own: no port of the host is used, and whatever ends us ends it and its servers."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    namespaces = ["unshare", *user, "--net", "--pid", "--fork", "--kill-child"]
    return ["setpriv", "--pdeathsig", "KILL", "--", *namespaces, sys.executable, "-m", "nodes.cohorts.oven"]


def _oven_environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # One process a core does the work: threads inside numpy would only get into each other's way.
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **single, "PYTHONPATH": path}


def _follow(
    oven: "subprocess.Popen[str]", orders: dict[str, object], total: int, shelf: Path, progress: Progress
) -> None:
    """Read the oven's events, one JSON document a line, until it ends; raises what it says."""
    if oven.stdin is None or oven.stdout is None:
        raise TypeError("the oven must be started with two pipes")
    _hand_over(oven.stdin, orders)
    for done, line in enumerate(oven.stdout, start=1):
        event = json.loads(line)
        if "failed" in event:
            raise _failure(event["failed"], event["full"], shelf)
        progress("baking studies", done, total)


def _hand_over(stdin: IO[str], orders: dict[str, object]) -> None:
    try:
        with stdin:
            json.dump(orders, stdin)
    except BrokenPipeError:
        return  # it has ended already; its complaint is read next


def _failure(said: str, full: bool, shelf: Path) -> Exception:
    free = shutil.disk_usage(shelf).free
    if full or free < 2 * 2**20:
        return NoRoom(_no_room(shelf, free, "baking stopped half way; what was finished is kept"))
    if "unshare" in said:
        return CannotHere(f"baking needs namespaces, and this system refuses them ({said}); {NAMESPACES_ADVICE}")
    return CannotHere(said) if said.startswith("cannot: ") else PullFailed(f"baking failed: {said}")
