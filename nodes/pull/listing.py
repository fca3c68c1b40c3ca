"""What a PACS says that it has: its studies, and the instances of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from nodes.errors import Unreadable


@dataclass(frozen=True)
class StudyEntry:
    """A study by its UID; `instances` is how many it has, where the PACS says it."""

    uid: str
    instances: int | None = None


@dataclass(frozen=True)
class Entry:
    """An instance; `sop_class` is empty where the PACS does not say it."""

    uid: str
    series: str
    sop_class: str = ""


@dataclass
class Oddities:
    """What a list holds and nobody can ask for: things whose UID is none. They must not take the rest with them."""

    told: list[str] = field(default_factory=list)

    @contextmanager
    def passed_over(self) -> Iterator[None]:
        """What is unreadable inside is told, and the list goes on."""
        try:
            yield
        except Unreadable as error:
            self.told.append(str(error))


class Lister(Protocol):
    """Somebody to ask. What it passed over is in `odd`."""

    odd: Oddities

    def studies(self) -> list[StudyEntry]:
        """All studies, each once, sorted by UID; raises PullFailed."""

    def instances(self, study: str) -> list[Entry]:
        """All instances of a study, each once; raises PullFailed."""
