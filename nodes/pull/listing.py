"""What a PACS says that it has: its studies, and the instances of one."""

from dataclasses import dataclass
from typing import Protocol


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


class Lister(Protocol):
    """Somebody to ask."""

    def studies(self) -> list[StudyEntry]:
        """All studies, each once, sorted by UID; raises PullFailed."""

    def instances(self, study: str) -> list[Entry]:
        """All instances of a study, each once; raises PullFailed."""
