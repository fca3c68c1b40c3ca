"""The files of a run's folder, and who may write them."""

import fcntl
import os
from pathlib import Path

from trainer.errors import RunBusy

DATABASE = "run.sqlite"
EVENTS = "events.jsonl"
TOPOLOGY = "topology.json"
CONFIG = "config.json"
MODELS = "models"
_LOCK = "lock"


class Lock:
    """Held while a run is trained. The kernel lets go of it with the last process that has it, however that ends.

    Children made by fork share it; a worker, which must not keep a run alive, closes its copy. Raises `RunBusy`.
    """

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise RunBusy(f"run {folder.name} is being trained by another process; wait for it or end it") from None

    def close(self) -> None:
        """Close this process's copy."""
        os.close(self._file)


def held(folder: Path) -> bool:
    """Whether somebody trains this run now."""
    try:
        file = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
