"""A world that is begun before it is known which: its init, its WAN's bridge and its router, which boots meanwhile.

Reading a topology takes one processor half a second; another one does this beside it.
"""

import contextlib
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from emulator import wan as kernels
from emulator.errors import TestbedError
from emulator.inside.processes import birth as born_at
from emulator.worlds import birth
from emulator.worlds.birth import Begun
from emulator.worlds.build import Builder
from emulator.worlds.home import home

_PREFIX = "early-"


class Early:
    """A context manager: what nobody has taken at its end is gone. Begins nothing where this home has a world already,
    which may be the one that is meant; nor does it where that fails: who builds the world is told why.
    """

    def __init__(self, wan: str | None) -> None:
        self._wan = wan
        self._begun: Begun | None = None
        self._beginning = threading.Thread(target=self._begin, daemon=True)

    def __enter__(self) -> Self:
        self._beginning.start()
        return self

    def __exit__(self, *_: object) -> None:
        if begun := self.take():
            begun.undo()

    def take(self) -> Begun | None:
        """What was begun, which is now the caller's; None where nothing was."""
        self._beginning.join()
        begun, self._begun = self._begun, None
        return begun

    def _begin(self) -> None:
        with contextlib.suppress(TestbedError, OSError, subprocess.SubprocessError):
            shelf = home() / "scratch"
            _sweep(shelf)
            if not any((home() / "worlds").glob("*")):
                self._begun = self._built(shelf / f"{_PREFIX}{os.getpid()}-{born_at(os.getpid())}")

    def _built(self, folder: Path) -> Begun:
        with ThreadPoolExecutor(1) as beside:
            kernel = beside.submit(kernels.choose, self._wan)
            folder.mkdir(parents=True, mode=0o700)
            begun = birth.begin(folder)
            try:
                Builder(folder, begun.agent, kernel.result(), lambda _what, _done, _of: None).begin()
            except BaseException:
                begun.undo()
                raise
            return begun


def _sweep(shelf: Path) -> None:
    """Remove what a command that was killed has left; its world has ended with it."""
    for left in shelf.glob(f"{_PREFIX}*-*"):
        pid, born = left.name.removeprefix(_PREFIX).split("-", 1)
        if born_at(int(pid)) != born:
            birth.erase(left)
