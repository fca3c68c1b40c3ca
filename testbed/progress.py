"""Progress of long work, on stderr: bars with the time to go on a terminal, one line a step elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from testbed.output import console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Report = Callable[[str, int, int], None]  # what, done, of how many
LINE_EVERY_S = 10.0


@contextmanager
def shown() -> Iterator[Report]:
    """Yields the function to report steps to; it may be called from any thread."""
    if sys.stderr.isatty():
        with bars() as progress:
            yield _Bars(progress)
    else:
        yield _Lines()


def bars() -> "Progress":
    """The bars of this face, on stderr."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as StillColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        StillColumn(),
    )
    return Progress(*columns, console=console(stderr=True))


class _Bars:
    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __call__(self, what: str, done: int, total: int) -> None:
        with self._lock:
            if what not in self._tasks:
                self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)


class _Lines:
    """A line when a step begins, one when it ends, and one in between where it takes long."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._ended: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, what: str, done: int, total: int) -> None:
        with self._lock:
            now = time.monotonic()
            began = self._began.setdefault(what, now)
            if what in self._ended:
                return
            if done >= total:
                self._ended.add(what)
                click.echo(f"{what}: {done}/{total} in {now - began:.1f} s", err=True)
            elif now - self._told.get(what, -LINE_EVERY_S) >= LINE_EVERY_S:
                click.echo(what if total == 1 else f"{what}: {done}/{total}", err=True)
                self._told[what] = now
