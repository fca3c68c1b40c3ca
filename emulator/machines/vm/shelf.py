"""A cache whose entries are made once: whole or not at all, by one of all who want them."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

_MAKING = ".making-"


def kept(entry: Path, make: Callable[[Path], None]) -> Path:
    """The entry (a file or a folder), which `make` makes at the path it is given where it is not there yet.

    Two who want the same take turns; what a killed one has left is removed.
    """
    if entry.exists():
        return entry
    entry.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(entry.parent / f".lock-{entry.name}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not entry.exists():
            draft = entry.with_name(_MAKING + entry.name)
            _remove(draft)
            try:
                make(draft)
                draft.rename(entry)
            except BaseException:
                _remove(draft)
                raise
    finally:
        os.close(lock)
    return entry


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
