"""Pulling whole studies from Orthanc by WADO-RS, against curl for the same bytes from the same server.

Limit: 1.5 times. Measured twice: to arrays (parsed, checked, stacked), and split into parts alone.
"""

import http.client
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from figures import tell

from emulator.topology.resolved import Cohort, Compute, Direction, Link, Pacs, Site
from nodes import cohorts, pacs
from nodes.pull import DicomWeb
from nodes.pull.multipart import Splitter, boundary_of

_STUDIES = 30
_ROUNDS = 5
_LIMIT = 1.5
_PORT = 18743
_ROOT = f"http://127.0.0.1:{_PORT}/dicom-web"
_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'


def _site(index: int, scanner: str, storage: str) -> Site:
    direction = Direction(rate_bps=10**9, delay_s=0.001)
    cohort = Cohort("phantom", _STUDIES, {"control": _STUDIES}, scanner, ("mr", "pet"), storage)  # type: ignore[arg-type]
    link = Link("fibre", direction, direction)
    return Site(index, storage, "bench", "namespace", link, Pacs("p", "orthanc"), cohort, Compute(0.03))


def _arrays(uids: list[str]) -> None:
    with DicomWeb(f"{_ROOT}/") as client:
        for uid in uids:
            client.study(uid)


def _parts(uids: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", _PORT)
    memory = None
    for uid in uids:
        connection.request("GET", f"/dicom-web/studies/{uid}", headers={"Accept": _ACCEPT})
        response = connection.getresponse()
        splitter = Splitter(boundary_of(response.headers["Content-Type"]), memory)
        while count := response.readinto(splitter.room()):
            for _ in splitter.read(count):
                pass
        splitter.finish()
        memory = splitter.memory
    connection.close()


def _curl(uids: list[str]) -> None:
    argv = ["curl", "--silent", "--fail", "--header", f"Accept: {_ACCEPT}"]
    for uid in uids:
        argv += ["--output", "/dev/null", f"{_ROOT}/studies/{uid}"]
    subprocess.run(argv, check=True)


def _median_ms(pull: Callable[[list[str]], None], uids: list[str]) -> float:
    times = []
    for _ in range(_ROUNDS):
        started = time.monotonic()
        pull(uids)
        times.append(1000 * (time.monotonic() - started) / len(uids))
    return statistics.median(times)


def _compare(site: Site, storage: Path) -> None:
    with pacs.get("orthanc").fill(storage, _PORT, site.pacs):
        with DicomWeb(f"{_ROOT}/") as client:
            uids = client.studies()
        _curl(uids)  # the first reading of the files is nobody's
        bare = _median_ms(_curl, uids)
        print(f"{site.cohort.storage}: curl takes {bare:.2f} ms a study")
        tell(f"pull of a {site.cohort.storage} study to parts", _median_ms(_parts, uids), _LIMIT * bare, "ms")
        tell(f"pull of a {site.cohort.storage} study to arrays", _median_ms(_arrays, uids), _LIMIT * bare, "ms")


def main() -> None:
    sites = [_site(1, "3T", "single-frame"), _site(2, "3T-modern", "multi-frame")]
    with tempfile.TemporaryDirectory(prefix="bench-pull-") as folder:
        storages = cohorts.bake(sites, 7, Path(folder), lambda what, done, total: None)
        for site in sites:
            _compare(site, storages[site.name])


if __name__ == "__main__":
    main()
