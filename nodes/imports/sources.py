"""What lies below a path, file by file, without holding the list."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nodes.imports.findings import LeftOut, Source

BIDS = "dataset_description.json"
"""The file that makes a folder a BIDS dataset (BIDS 1.9, dataset description)."""
_NOT_RAW = ("derivatives", "sourcedata", "code")
"""Folders beside the subjects of a BIDS dataset (BIDS 1.9, common principles): not its raw images."""

Found = Source | tuple[str, LeftOut]


def sources(path: Path) -> Iterator[Found]:
    """Every file below a folder (or the file itself), in the order of names; archives are not opened.

    All are of one dataset, `path`, but for those of BIDS datasets below it. Links are followed, since datasets are
    kept as links (git-annex, DataLad); a link back to a folder above is left out.
    """
    root = path.resolve()
    dataset = _printable(str(root))
    if root.is_file():
        yield _looked_at(path, PurePosixPath(path.name), dataset)
        return
    yield from _below(path, PurePosixPath(), dataset, frozenset((_identity(root.stat()),)))


def _below(folder: Path, place: PurePosixPath, dataset: str, above: frozenset[tuple[int, int]]) -> Iterator[Found]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield _name(folder), LeftOut(f"a folder that cannot be read ({error.strerror})")
        return
    is_bids = any(entry.name == BIDS for entry in entries)
    if is_bids:
        dataset = _printable(str(folder.resolve()))
    for entry in entries:
        below, at = folder / entry.name, place / _printable(entry.name)
        if not entry.is_dir():
            yield _looked_at(below, at, dataset)
        elif is_bids and entry.name in _NOT_RAW:
            yield _name(below), LeftOut("a folder of a BIDS dataset that holds no raw images")
        elif (identity := _identity(entry.stat())) in above:
            yield _name(below), LeftOut("a link back to a folder above it")
        else:
            yield from _below(below, at, dataset, above | {identity})


def _looked_at(path: Path, place: PurePosixPath, dataset: str) -> Found:
    try:
        found = path.stat()
    except OSError as error:
        return _name(path), LeftOut(f"it cannot be read ({error.strerror})")
    if not stat.S_ISREG(found.st_mode):
        return _name(path), LeftOut("not a file but a device, a pipe or a socket")
    stamp = f"{found.st_size}:{found.st_mtime_ns}"
    return Source(_name(path), place, dataset, path, stamp)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _name(path: Path) -> str:
    return _printable(str(path.absolute()))


def _printable(name: str) -> str:
    """Names are bytes; those that are no UTF-8 are shown with escapes, and so can be written down."""
    return os.fsencode(name).decode(errors="backslashreplace")
