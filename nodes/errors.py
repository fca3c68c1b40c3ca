"""What can go wrong at a site.

TestbedError
├── WrongInput
│   └── UnknownName        a flavour or scanner that does not exist
├── CannotHere
│   └── NoRoom             the disk that should hold cohorts is full
├── WrongState             an imported cohort that is not whole, or not the one that was meant
└── PullFailed             a PACS answered something that is not the study that was asked for
    ├── Unreadable         bytes that are not the DICOM that was expected
    ├── Declined           it does not do what was asked; another way may
    └── Cut                the connection ended or fell silent; what had come by then counts
        └── Busy           it asks to come again later
"""

import difflib
from collections.abc import Iterable

from emulator.errors import CannotHere, TestbedError, WrongInput, WrongState
from nodes.fetched import Fetched

__all__ = [
    "Busy",
    "CannotHere",
    "Cut",
    "Declined",
    "NoRoom",
    "PullFailed",
    "TestbedError",
    "UnknownName",
    "Unreadable",
    "WrongInput",
    "WrongState",
]


class UnknownName(WrongInput):
    """`name` is not one of `known`; the message offers the nearest one."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        choices = sorted(known)
        near = difflib.get_close_matches(name, choices, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        super().__init__(f"{what} '{name}' is not known{hint} Known: {', '.join(choices)}.")


class NoRoom(CannotHere):
    """There is no room left in the cache."""


class PullFailed(TestbedError):  # noqa: N818 - reads as the sentence it is
    """A PACS did not give what was asked of it. `fetched` is what of a study came all the same, where it is known."""

    fetched: Fetched | None = None


class Unreadable(PullFailed):
    """What came is not the DICOM that was expected."""


class Declined(PullFailed):
    """The PACS does not do what was asked of it, or not for us; asking again is no use."""


class Cut(PullFailed):
    """The connection ended or fell silent before the answer did. What had come by then counts."""


class Busy(Cut):
    """The PACS asks to come again, in `after_s` seconds (None: it does not say when)."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s
