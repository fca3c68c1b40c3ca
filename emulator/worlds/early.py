"""A world that is begun before it is known which: its init, its WAN's bridge and its router, which boots meanwhile.

Reading a topology takes one processor half a second; another one does this beside it.
"""

import contextlib
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from emulator import wan as kernels
from emulator.errors import TestbedError
from emulator.worlds import birth, scratch
from emulator.worlds.birth import Begun
from emulator.worlds.build import Builder
from emulator.worlds.home import home


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
            scratch.sweep()
            if not any((home() / "worlds").glob("*")):
                self._begun = self._built(scratch.own("early"))

    def _built(self, folder: Path) -> Begun:
        with ThreadPoolExecutor(1) as beside, contextlib.ExitStack() as made:
            kernel = beside.submit(kernels.choose, self._wan)
            folder.mkdir(parents=True, mode=0o700)
            made.callback(birth.erase, folder)
            begun = birth.begin(folder)
            made.callback(begun.undo)
            Builder(folder, begun.agent, kernel.result(), lambda _what, _done, _of: None).begin()
            made.pop_all()
            return begun
