"""Curation against the known truth: recall and precision of each kind, how faint defects may be, and what it costs.

Cohorts of three scanners, single- and multi-frame, each with every kind of defect. Expected: all of them, and no more.
"""

import io
import statistics
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from figures import tell

from emulator.topology.resolved import Cohort, Compute, Direction, Link, Pacs, Site
from nodes.cohorts.defects import truth
from nodes.cohorts.oven import Order, studies
from nodes.curation import Findings, curate
from nodes.defects.spoiling import names
from nodes.defects.stacks import stack_of
from nodes.phantoms.studio import Studio

_SEED = 2026
_OF_EACH_KIND = 2
_CLEAN = 12
_STUDIES = _OF_EACH_KIND * len(names()) + _CLEAN
_SITES = [
    ("1.5T", "single-frame", "explicit"),
    ("3T", "multi-frame", "jpeg-ls"),
    ("3T-modern", "single-frame", "implicit"),
    ("3T", "single-frame", "rle"),
]


def _site(index: int, scanner: str, storage: str, syntax: str) -> Site:
    direction = Direction(rate_bps=10**9, delay_s=0.001)
    classes = {"control": _STUDIES // 2, "ad": _STUDIES - _STUDIES // 2}
    defects = dict.fromkeys(names(), _OF_EACH_KIND)
    cohort = Cohort("phantom", _STUDIES, classes, scanner, ("mr", "pet"), storage, defects)  # type: ignore[arg-type]
    pacs = Pacs("p", "orthanc", {"writes": {"syntax": syntax}})
    link = Link("fibre", direction, direction)
    return Site(index, f"site-{index}", "bench", "namespace", link, pacs, cohort, Compute(0.03))


def _unzipped(archive: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        return [files.read(name) for name in files.namelist()]


def _curated(studio: Studio, site: Site) -> tuple[list[Findings], list[float], list[list[bytes]]]:
    found, times, made = [], [], []
    for archive in studies(studio, Order(site.name, site.pacs, site.cohort, "key", _SEED, Path("unused"))):
        made.append(_unzipped(archive))
        started = time.perf_counter()
        found.append(curate(made[-1]))
        times.append(1000 * (time.perf_counter() - started))
    return found, times, made


def _faint(files: list[bytes]) -> None:
    """How much brighter a slice must be, and how bright letters must be, to be found in an uncompressed study."""
    series = files[: next(place for place, file in enumerate(files) if b"FDG PET" in file)] or files
    for factor in (1.2, 1.4, 1.5, 1.6, 1.7, 1.8, 2.0):
        stack = stack_of(series)
        middle = stack.plane(len(stack) // 2)
        middle[...] = np.minimum(middle * factor, 4095).astype(np.uint16)
        print(f"  a slice {factor} times as bright: {', '.join(curate(stack.files()).kinds) or 'not found'}")
    for share in (0.2, 0.3, 0.4, 0.5, 0.7, 1.0):
        stack = stack_of(series)
        middle = stack.plane(len(stack) // 2)
        middle[2:7:2, 2:30] = round(share * int(middle.max()))
        print(f"  lines of {share} of the brightest: {', '.join(curate(stack.files()).kinds) or 'not found'}")


def main() -> None:
    studio = Studio()
    true, told = Counter[str](), Counter[str]()
    both = Counter[str]()
    for index, (scanner, storage, syntax) in enumerate(_SITES, start=1):
        site = _site(index, scanner, storage, syntax)
        found, times, made = _curated(studio, site)
        wanted = {(defect.study, defect.kind) for defect in truth(site, _SEED)}
        seen = {(findings.study, kind) for findings in found for kind in findings.kinds}
        for pairs, counts in ((wanted, true), (seen, told), (wanted & seen, both)):
            counts.update(kind for _, kind in pairs)
        print(f"{scanner}, {storage}, {syntax}: {statistics.median(times):.1f} ms a study of {len(made[-1])} files")
        if index == 1:
            whole = next(files for files, findings in zip(made, found, strict=True) if not findings.kinds)
            _faint(whole)
    for kind in sorted(true | told):
        print(f"{kind}: {true[kind]} true, {told[kind]} found, {both[kind]} of them right")
    tell("defects that curation misses", 1 - both.total() / true.total(), 0.02, "of defects")
    tell("curation's false findings", 1 - both.total() / max(1, told.total()), 0.02, "of findings")


if __name__ == "__main__":
    main()
