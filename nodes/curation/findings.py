"""What curation finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its `kind`, the UIDs of the series and of the instance (empty: the series as a whole),
    and a `detail` for people.
    """

    kind: str
    series: str
    instance: str
    detail: str


@dataclass(frozen=True)
class Findings:
    """All that is wrong with one study (`study`: its UID, empty where no file of it could be read)."""

    study: str
    found: tuple[Finding, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of what was found, each once, sorted."""
        return tuple(sorted({finding.kind for finding in self.found}))
