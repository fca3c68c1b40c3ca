"""Pulling whole studies, against what others take to write the same bytes from the same server to files.

Limit: 1.2 times curl over HTTP, 1.2 times DCMTK's getscu and movescu over DIMSE (a process a study, as they are used).
And the memory of pulling 2,000 slices of 512²: 150 MiB above idle.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from figures import tell

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
import archives

from nodes.dicom import enhanced, single
from nodes.endpoints import Endpoint
from nodes.pull import Client, Store

_STUDIES, _ROUNDS, _LIMIT = 10, 9, 1.2
_LARGE, _LARGE_EDGE = 2000, 512
_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_UIDS = [archives.uid(number) for number in range(1, _STUDIES + 1)]


def _studies(storage: str) -> list[bytes]:
    """Of 64 slices of 64²."""
    kind = single if storage == "single-frame" else enhanced
    files: list[bytes] = []
    for number in range(1, _STUDIES + 1):
        person = archives.subject(number)
        files += kind.mri_files(archives.CONTEXT, person, archives.scan(number, 32, 64))
        files += kind.pet_files(archives.CONTEXT, person, archives.scan(number + 50, 32, 64))
    return files


def _large() -> list[bytes]:
    return single.mri_files(archives.CONTEXT, archives.subject(1), archives.scan(1, _LARGE, _LARGE_EDGE))


def _pull(endpoint: Endpoint, folder: Path, arrays: bool, uids: list[str]) -> None:
    with Client(endpoint, Store(folder / "store")) as client:
        client.studies()  # as workers do: it tells how many instances each has
        for uid in uids:
            if arrays:
                client.study(uid)
            else:
                client.pull(uid)
            client.forget(uid)


def _curl(endpoint: Endpoint, folder: Path, uids: list[str]) -> None:
    argv = ["curl", "--silent", "--fail", "--header", f"Accept: {_ACCEPT}"]
    for uid in uids:
        argv += ["--output", str(folder / "curl.body"), f"{endpoint.dicomweb}studies/{uid}"]
    subprocess.run(argv, check=True)


def _dcmtk(tool: str, endpoint: Endpoint, folder: Path, uids: list[str]) -> None:
    for uid in uids:
        with tempfile.TemporaryDirectory(dir=folder) as out:
            argv = [tool, "-S", "-aet", endpoint.calling_aet, "-aec", endpoint.aet, "-od", out]
            argv += ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}"]
            if tool == "movescu":
                argv += ["-aem", endpoint.calling_aet, "+P", str(endpoint.move_port)]
            environment = {"TCP_NODELAY": "1", "PATH": "/usr/bin"}
            subprocess.run([*argv, endpoint.host, str(endpoint.dimse_port)], check=True, env=environment)


def _best_ms(does: Callable[[], None], rounds: int = _ROUNDS, studies: int = _STUDIES) -> float:
    times = []
    for _ in range(rounds):
        started = time.monotonic()
        does()
        times.append(1000 * (time.monotonic() - started) / studies)
    return min(times)


def _compare(endpoint: Endpoint, folder: Path, what: str) -> None:
    if endpoint.dicomweb:
        web = replace(endpoint, retrieve=("wado-rs",))
        bare = _best_ms(lambda: _curl(endpoint, folder, _UIDS))
        for arrays in (False, True):
            figure = _best_ms(lambda arrays=arrays: _pull(web, folder, arrays, _UIDS))
            where = "arrays" if arrays else "the store"
            tell(f"pull of a {what} study to {where} by wado-rs, beside curl", figure, _LIMIT * bare, "ms")
    for tool, way in (("getscu", "c-get"), ("movescu", "c-move")):
        there = replace(endpoint, retrieve=(way,))
        bare = _best_ms(lambda tool=tool: _dcmtk(tool, endpoint, folder, _UIDS), 3)
        figure = _best_ms(lambda there=there: _pull(there, folder, False, _UIDS), 3)
        tell(f"pull of a {what} study to the store by {way}, beside {tool}", figure, _LIMIT * bare, "ms")


def _in_memory(endpoint: Endpoint, folder: Path) -> None:
    """In a process of its own, which says how much its memory grew at most."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: it outlives exec
    before = _peak_kib()
    _pull(endpoint, folder, False, _UIDS[:1])
    (folder / "grown").write_text(str((_peak_kib() - before) / 1024))


def _peak_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def _compare_large(endpoint: Endpoint, folder: Path) -> None:
    what = f"study of {_LARGE} slices of {_LARGE_EDGE}²"
    for way in ("wado-rs", "c-get", "c-move"):
        if way == "wado-rs" and not endpoint.dicomweb:
            continue
        there = replace(endpoint, retrieve=(way,))
        process = get_context("spawn").Process(target=_in_memory, args=(there, folder))
        process.start()
        process.join()
        tell(f"memory of pulling a {what} by {way}", float((folder / "grown").read_text()), 150, "MiB")
        figure = _best_ms(lambda there=there: _pull(there, folder, False, _UIDS[:1]), 2, 1)
        if way == "wado-rs":
            bare = _best_ms(lambda: _curl(endpoint, folder, _UIDS[:1]), 2, 1)
        else:
            tool = "getscu" if way == "c-get" else "movescu"
            bare = _best_ms(lambda tool=tool: _dcmtk(tool, endpoint, folder, _UIDS[:1]), 2, 1)
        tell(f"pull of a {what} to the store by {way}", figure, _LIMIT * bare, "ms")


def main() -> None:
    (move_port,) = archives.free_ports(1)
    for storage in ("single-frame", "multi-frame"):
        with tempfile.TemporaryDirectory(prefix="bench-pull-") as name:
            with archives.orthanc(Path(name, "o"), _studies(storage), move_port) as endpoint:
                _compare(endpoint, Path(name), f"{storage} (orthanc)")
            with archives.dcmqrscp(Path(name, "q"), _studies(storage), move_port) as endpoint:
                _compare(endpoint, Path(name), f"{storage} (dcmqrscp)")
    with (
        tempfile.TemporaryDirectory(prefix="bench-pull-") as name,
        archives.orthanc(Path(name, "o"), _large(), move_port) as endpoint,
    ):
        _compare_large(endpoint, Path(name))


if __name__ == "__main__":
    main()
