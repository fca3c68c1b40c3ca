"""Topologies as they were read before: reading one anew takes half of the time until `up` starts its first server.

What a file says depends on its text, on the cohorts that were imported, on the files that it names, and on this code.
Those that name files, used or not, are not kept; the rest makes the name of what is kept, in the cache.
"""

import contextlib
import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from emulator.errors import WrongInput
from emulator.topology import Topology, dump, revive
from emulator.topology.reading import read as text_of
from emulator.writing import write_whole

_MOST = 32
_CODE = ("emulator/topology", "nodes", "trainer")
_CODE_FILES = ("emulator/places.py", "testbed/composition.py", "testbed/readings.py")
_LIBRARIES = ("numpy", "pydantic", "ruamel.yaml")


Load = Callable[[Path], tuple[Topology, Sequence[str]]]
"""Reads a file's topology, and which files it names."""


def read(path: Path, cohorts: Iterable[object], folder: Path, load: Load) -> Topology:
    """The topology in a file: as `load` reads it, or as it is kept in `folder`. `cohorts`: what of the imported cohorts
    it may depend on. Raises as `load` does.
    """
    said = (text_of(path), *cohorts, *_code())
    kept = folder / f"{hashlib.sha256(repr(said).encode()).hexdigest()[:32]}.json"
    try:
        return revive(kept.read_text())
    except (OSError, ValueError, WrongInput):  # not there, or damaged
        topology, files = load(path)
    if not files:
        with contextlib.suppress(OSError):  # no room to keep it in is no reason not to read it
            _keep(kept, topology)
    return topology


def _keep(kept: Path, topology: Topology) -> None:
    """The oldest make room."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, dump(topology).encode())
    for old in sorted(kept.parent.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)[:-_MOST]:
        old.unlink(missing_ok=True)


def _code() -> Iterator[object]:
    """Name, size and date of everything that decides what a text means."""
    root = Path(__file__).parents[1]
    yield sorted(found for part in _CODE for found in _files(str(root / part)))
    yield [_dated((root / file).stat(), file) for file in _CODE_FILES]
    libraries = (importlib.util.find_spec(name) for name in _LIBRARIES)
    yield sys.version, [_dated(Path(spec.origin).stat(), spec.origin) for spec in libraries if spec and spec.origin]


def _dated(found: os.stat_result, name: str) -> tuple[str, int, int]:
    return name, found.st_size, found.st_mtime_ns


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _files(entry.path)
        elif not entry.name.endswith(".pyc"):
            yield _dated(entry.stat(), entry.path)
