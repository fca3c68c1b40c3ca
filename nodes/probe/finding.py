"""C-FIND: which levels there are, what rows carry, and how much of a query the server takes to heart."""

from collections.abc import Mapping
from typing import Any

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException

from nodes.probe import matching
from nodes.probe.association import FIND, PENDING, Association
from nodes.probe.capabilities import Find
from nodes.probe.line import Line
from nodes.probe.qido import MOST_ROWS

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_STUDY_KEYS = (
    "SpecificCharacterSet", "StudyInstanceUID", "PatientName", "PatientID", "ModalitiesInStudy",
    "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip


class _Asking:
    def __init__(self, made: Association, line: Line) -> None:
        self._made = made
        self._line = line

    def rows(self, level: str, **query: str) -> list[Dataset] | None:
        """The rows of a query, of which no more than `MOST_ROWS` are waited for; None where it fails."""
        identifier = Dataset()
        identifier.QueryRetrieveLevel = level
        for keyword, value in query.items():
            setattr(identifier, keyword, value)
        found: list[Dataset] = []
        for message in self._made.ask(FIND, STUDY_ROOT_FIND, identifier):
            if message.status not in PENDING:
                if message.status == 0 or len(found) >= MOST_ROWS:
                    return found
                self._line.note(f"C-FIND {level}: status {message.status:04X}")
                return None
            if len(found) < MOST_ROWS:
                found.append(self._made.row(message))
            if len(found) == MOST_ROWS:
                self._made.cancel(STUDY_ROOT_FIND)
        return None

    def matches(self, **query: str) -> bool | None:
        """Whether any study matches."""
        found = self.rows("STUDY", **{"StudyInstanceUID": "", **query})
        return None if found is None else bool(found)


def ask(made: Association, line: Line) -> tuple[Find, Dataset | None]:
    """Everything about queries, and the row of an instance to try retrieval with."""
    asking = _Asking(made, line)
    studies = asking.rows("STUDY", **dict.fromkeys(_STUDY_KEYS, ""))
    if not studies:
        return Find(studies=studies is not None), None
    first = str(studies[0].get("StudyInstanceUID", ""))
    again = asking.rows("STUDY", StudyInstanceUID=first)
    series = asking.rows("SERIES", StudyInstanceUID=first, SeriesInstanceUID="", NumberOfSeriesRelatedInstances="")
    chosen = min(series, key=_size, default=None) if series else None
    images = chosen and asking.rows(
        "IMAGE", StudyInstanceUID=first, SeriesInstanceUID=str(chosen.get("SeriesInstanceUID", "")),
        SOPInstanceUID="", SOPClassUID="",
    )  # fmt: skip
    uids = [row.get("StudyInstanceUID") for row in studies]
    found = Find(
        studies=True,
        series=bool(series),
        images=bool(images) if chosen else None,
        row_a_study=len(set(uids)) == len(uids) and again is not None and len(again) == 1,
        modalities=all(row.get("ModalitiesInStudy") for row in studies),
        counts=all(row.get("NumberOfStudyRelatedInstances") is not None for row in studies),
        charset=_charset(studies),
        **_matching(asking, studies),
    )
    return found, images[0] if images else None


def _size(row: Dataset) -> int:
    count = row.get("NumberOfSeriesRelatedInstances")
    return int(count) if count is not None else 0


def _charset(rows: list[Dataset]) -> str:
    """What rows say of their text: of a name that needs it, if there is one."""
    odd = next((row for row in rows if not _name(row).isascii()), rows[0])
    return str(odd.get("SpecificCharacterSet") or "none")


def _name(row: Dataset) -> str:
    try:
        return str(row.get("PatientName") or "")
    except (UnicodeError, BytesLengthException):
        return ""


def _matching(asking: _Asking, studies: list[Dataset]) -> Mapping[str, Any]:
    names = [name for name in map(_name, studies) if name]
    found = matching.matching(asking.matches, names)
    if "wildcard" in found and (odd := matching.beyond_ascii(names)):
        found["non_ascii"] = asking.matches(SpecificCharacterSet="ISO_IR 192", PatientName=odd)
    return found
