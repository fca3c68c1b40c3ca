"""Folders of this home that end with the command that made them; where it was killed, the next one sweeps them."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from emulator.inside.processes import birth as born_at
from emulator.worlds import birth
from emulator.worlds.home import home

_OF_A_PROCESS = re.compile(r"[a-z]+-(\d+)-(\d+)")


def shelf() -> Path:
    """Where they lie."""
    return home() / "scratch"


def own(purpose: str) -> Path:
    """This process's folder for a purpose; it is not there yet."""
    return shelf() / f"{purpose}-{os.getpid()}-{born_at(os.getpid())}"


def sweep() -> None:
    """Remove what commands that were killed have left; a world that was begun in one has ended with it."""
    for left in shelf().glob("*"):
        named = _OF_A_PROCESS.fullmatch(left.name)
        if named and born_at(int(named[1])) != named[2]:
            with contextlib.suppress(FileNotFoundError):  # another command sweeps too
                birth.erase(left)


@contextlib.contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """A folder that only this user reads, and that is gone afterwards."""
    sweep()
    folder = own(purpose)
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
