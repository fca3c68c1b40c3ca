"""Where everything is kept, and the locks on it."""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from emulator.errors import WorldBusy, WrongInput

_AWKWARD = re.compile(r"[\s,:\\]")


def home() -> Path:
    """`$TESTBED_HOME`, else the XDG data folder's `pacs-testbed`; made when it is not there, for this user only."""
    named = os.environ.get("TESTBED_HOME")
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    folder = Path(named) if named else Path(data) / "pacs-testbed"
    folder = folder.expanduser().absolute()
    if _AWKWARD.search(str(folder)):
        raise WrongInput(
            f"TESTBED_HOME: '{folder}' has a space, comma, colon or backslash; mounts can't name such a folder"
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def world_folder(name: str) -> Path:
    return home() / "worlds" / name


@contextlib.contextmanager
def locked(name: str, within_s: float = 0.0) -> Iterator[None]:
    """Hold a world's lock; the kernel releases it when this process ends. Raises `WorldBusy` if another has it, and
    does not give it back in time.
    """
    folder = home() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w") as lock:
        deadline = time.monotonic() + within_s
        while not _taken(lock):
            if time.monotonic() >= deadline:
                raise WorldBusy(f"world '{name}' is being changed by another command; wait for it, then try again")
            time.sleep(0.02)
        yield


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
