"""Where machines stand, and what is placed on them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emulator.places import Service
from emulator.reach import Agent
from emulator.topology.resolved import Site

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Ground:
    """The world that machines stand in. `cache` is shared by all worlds of a home; `progress(what, done, of)` is told
    of long work.
    """

    folder: Path
    cache: Path
    agent: Agent
    progress: Progress


@dataclass(frozen=True)
class Placed:
    """A service, the folder in the world that is its own, and the site whose machine it runs on (None: the hub's)."""

    service: Service
    folder: Path
    site: Site | None
