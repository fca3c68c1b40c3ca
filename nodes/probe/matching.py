"""Which query keys count, and how names are matched: asked in the same words over HTTP and DIMSE."""

from collections.abc import Sequence
from typing import Any, Protocol

KEYS = {
    "PatientName": "NOBODY^AT^ALL",
    "PatientID": "NOBODY-AT-ALL",
    "StudyDate": "18000101",
    "StudyDescription": "NOTHING-AT-ALL",
    "AccessionNumber": "NOTHING",
    "ModalitiesInStudy": "ZZ",
    "StudyInstanceUID": "2.25.1",
}
"""Keys to query studies by, each with a value that no study has: who answers with a study has ignored the key."""


class Matches(Protocol):
    """Whether any study matches a query; None where it was not answered."""

    def __call__(self, **query: str) -> bool | None: ...


def matching(matches: Matches, names: Sequence[str]) -> dict[str, Any]:
    """`keys` that a PACS heeds; with names of its patients also `wildcard` and `ignores_case`."""
    taken = {key: matches(**{key: nobody}) for key, nobody in KEYS.items()}
    keys = tuple(key for key, matched in taken.items() if matched is False)
    found: dict[str, Any] = {"keys": None if all(matched is None for matched in taken.values()) else keys}
    if not names or "PatientName" not in keys:
        return found
    start = beginning(plainest(names))
    found["wildcard"] = matches(PatientName=f"{start}*")
    if (other := start.swapcase()) != start and found["wildcard"]:
        found["ignores_case"] = matches(PatientName=f"{other}*")
    return found


def plainest(names: Sequence[str]) -> str:
    """The first in ASCII, else the first."""
    return next((name for name in names if name.isascii()), names[0])


def beyond_ascii(names: Sequence[str]) -> str | None:
    """A pattern that needs a character set to match; None where no name does."""
    odd = next((name for name in names if not name.isascii()), None)
    if odd is None:
        return None
    end = next(place for place, letter in enumerate(odd, 1) if not letter.isascii())
    return f"{odd[:end]}*"


def beginning(name: str) -> str:
    """Up to three letters that a name begins with, in ASCII: what is asked of case must not hang on character sets."""
    letters = name.partition("^")[0][:3]
    return letters[: next((place for place, letter in enumerate(letters) if not letter.isascii()), 3)]
