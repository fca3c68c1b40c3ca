"""What a gateway costs: whole studies by WADO-RS through one without habits, against the bare Orthanc behind it.

Limit: 1.5 times, by curl, one caller at a time. Also what four callers at once get, and instances as single parts:
there the 0.3 to 0.6 ms that each request takes more are above it.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import tell

from emulator.topology.resolved import Cohort, Compute, Direction, Link, Pacs, Site
from nodes import cohorts, pacs
from nodes.gateway.settings import Settings

_STUDIES = 20
_ROUNDS = 15
_LIMIT = 1.5
_ARCHIVE, _GATEWAY, _SINGLE = 18744, 18745, 18746
_ROOT = Path(__file__).parents[2]
_ACCEPT = 'Accept: multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'


def _site(index: int, scanner: str, storage: str) -> Site:
    direction = Direction(rate_bps=10**9, delay_s=0.001)
    cohort = Cohort("phantom", _STUDIES, {"control": _STUDIES}, scanner, ("mr", "pet"), storage)  # type: ignore[arg-type]
    link = Link("fibre", direction, direction)
    return Site(index, storage, "bench", "namespace", link, Pacs("p", "orthanc"), cohort, Compute(0.03))


@contextmanager
def _gateway(folder: Path, port: int, single_part: bool = False) -> Iterator[None]:
    path = folder / f"{port}.json"
    path.write_text(Settings("bench", "127.0.0.1", port, _ARCHIVE, single_part=single_part).text())
    argv = [sys.executable, "-S", "-P", "-m", "nodes.gateway", str(path)]
    process = subprocess.Popen(argv, env={"PYTHONPATH": str(_ROOT)})
    try:
        _wait(port)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    for _ in range(1000):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    sys.exit(f"nothing listens on port {port}")


def _uids(query: str, tags: tuple[str, ...]) -> list[tuple[str, ...]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{_ARCHIVE}/dicom-web/{query}") as answer:
        return [tuple(found[tag]["Value"][0] for tag in tags) for found in json.load(answer)]


def _curl(port: int, paths: list[str], callers: int = 1) -> float:
    """Milliseconds a path."""
    argv = ["curl", "--silent", "--fail", "--header", _ACCEPT]
    for path in paths:
        argv += ["--output", os.devnull, f"http://127.0.0.1:{port}/dicom-web/{path}"]
    began = time.monotonic()
    running = [subprocess.Popen(argv) for _ in range(callers)]
    if any(process.wait() for process in running):
        sys.exit(f"curl failed on port {port}")
    return 1000 * (time.monotonic() - began) / len(paths) / callers


def _compare(what: str, paths: list[str], port: int, callers: int = 1) -> None:
    """The best of rounds in turn: what else the machine does falls on both."""
    _curl(_ARCHIVE, paths, callers)  # the first reading of the files is nobody's
    rounds = [(_curl(_ARCHIVE, paths, callers), _curl(port, paths, callers)) for _ in range(_ROUNDS)]
    bare, through = min(one for one, _ in rounds), min(other for _, other in rounds)
    print(f"{what}: the bare Orthanc takes {bare:.2f} ms")
    tell(f"{what} through a gateway", through, _LIMIT * bare, "ms")


def main() -> None:
    sites = [_site(1, "3T", "single-frame"), _site(2, "3T-modern", "multi-frame")]
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as name:
        folder = Path(name)
        storages = cohorts.bake(sites, 7, folder, lambda what, done, total: None)
        for site in sites:
            with (
                pacs.get("orthanc").fill(storages[site.name], _ARCHIVE, site.pacs),
                _gateway(folder, _GATEWAY),
                _gateway(folder, _SINGLE, single_part=True),
            ):
                studies = [f"studies/{uid}" for (uid,) in _uids("studies", ("0020000D",))]
                _compare(f"a {site.cohort.storage} study", studies, _GATEWAY)
                _compare(f"a {site.cohort.storage} study, four callers", studies, _GATEWAY, callers=4)
                found = _uids("instances?limit=100", ("0020000D", "0020000E", "00080018"))
                instances = [f"studies/{study}/series/{series}/instances/{uid}" for study, series, uid in found]
                _compare(f"a {site.cohort.storage} instance as a single part", instances, _SINGLE)


if __name__ == "__main__":
    main()
