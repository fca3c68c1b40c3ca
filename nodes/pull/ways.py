"""The ways of retrieval. A way is one file in this package with one class, found by its name."""

from collections.abc import Callable, Sequence
from typing import Protocol

from nodes.pull.intake import Intake
from nodes.pull.links import Links
from nodes.pull.listing import Entry

ORDER = ("wado-rs", "c-get", "c-move")
"""The best first: HTTP needs no negotiation and sends a study in one answer; C-GET comes back by the connection that
asked; C-MOVE needs a PACS that knows us, and a port of ours that it can reach."""


class Way(Protocol):
    """One way to get instances."""

    def __init__(self, links: Links) -> None: ...

    def lacks(self) -> str | None:
        """Why it can't be, without any instance being asked for; None where it can."""

    def whole(self, intake: Intake) -> None:
        """Everything of a study. Raises Declined where it can't be this way at all, and Cut; what the PACS could not
        give is noted."""

    def some(self, intake: Intake, missing: Sequence[Entry]) -> None:
        """These instances, and none that is here. Raises Cut; what is declined is noted."""


_ways: dict[str, type[Way]] = {}


def register(name: str) -> Callable[[type[Way]], type[Way]]:
    """Make a way known under a name (a class decorator)."""

    def keep(way: type[Way]) -> type[Way]:
        _ways[name] = way
        return way

    return keep


def get(name: str) -> type[Way]:
    """The way of that name, which is one of `ORDER`."""
    return _ways[name]
