"""Diagnoses from tables: BIDS's participants.tsv, ADNI's CSVs of a download or of visits, and whatever has such
columns."""

import csv
import datetime as dt
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from nodes.imports.findings import LeftOut

_SUBJECT: Final = ("participantid", "subjectid", "subject", "ptid", "patientid")
_IMAGE: Final = ("imagedataid", "imageid", "imageuid")
_DIAGNOSIS: Final = ("diagnosis", "dx", "group", "researchgroup", "dxbl")
_DAY: Final = ("acqdate", "examdate", "studydate", "acquisitiondate", "scandate")
_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("cn", "nl", "nc", "hc", "control", "controls", "normal", "healthy", "cognitivelynormal"), "control"
    ),
    **dict.fromkeys(("mci", "emci", "lmci", "mildcognitiveimpairment"), "mci"),
    **dict.fromkeys(("ad", "dementia", "alzheimers", "alzheimersdisease", "alzheimerdisease"), "ad"),
}
_CONVERSION: Final = re.compile(r".*\bto\b")  # "MCI to Dementia": it is dementia now
_ADNI: Final = re.compile(r"\d{3}_s_\d{4,5}")
_DAYS: Final = ("%Y-%m-%d", "%m/%d/%Y", "%Y%m%d", "%Y/%m/%d")


def label(written: str) -> str:
    """The label that a diagnosis stands for; empty where it is none of ours (SMC, Patient, NA)."""
    return _WORDS.get(_plain(_CONVERSION.sub("", written)), "")


def subject(written: str) -> str:
    """A subject as it is compared: `sub-01` is `01`."""
    return written.strip().casefold().removeprefix("sub-")


def is_worldwide(compared: str) -> bool:
    """Whether a subject, as it is compared, is numbered once for all datasets there are: ADNI's 002_S_0295."""
    return bool(_ADNI.fullmatch(compared))


def image(written: str) -> str:
    """An image's number as it is compared: ADNI's I45126."""
    return written.strip().casefold().removeprefix("i")


def day(written: str) -> str:
    """A date as YYYYMMDD; empty where it is none."""
    for form in _DAYS:
        try:
            return dt.datetime.strptime(written.strip()[:10], form).strftime("%Y%m%d")  # noqa: DTZ007 - a day
        except ValueError:
            continue
    return ""


def rows(path: Path, name: str) -> Iterator[tuple[str, str, str, str]]:
    """Subject, image, day and label of each row that has a label. Raises LeftOut for a table of other things, and at
    the end of one that was cut: then none of it counts.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = "\t" if name.casefold().endswith(".tsv") else ","
            reader = csv.reader(file, delimiter=delimiter, strict=True)  # strict: a quote that is not closed is told
            row = next(reader, [])
            columns = _Columns(row)
            for row in reader:
                found = columns.of(row)
                if found is not None:
                    yield found
            if not _is_ended(path) and columns.may_lack_some(row):
                raise LeftOut(
                    "truncated: its last line has no end, and may lack some of it; add a line end if it is whole"
                )
    except (UnicodeDecodeError, csv.Error) as error:
        raise LeftOut(f"a table that cannot be read ({error})") from error


def _is_ended(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) in b"\r\n"


class _Columns:
    """Where a table has what."""

    def __init__(self, head: Sequence[str]) -> None:
        self._last = len(head) - 1
        places = {_plain(name): place for place, name in reversed(list(enumerate(head)))}
        self._subject, self._image, self._diagnosis, self._day = (
            next((places[name] for name in names if name in places), None)
            for names in (_SUBJECT, _IMAGE, _DIAGNOSIS, _DAY)
        )
        if self._diagnosis is None or (self._subject is None and self._image is None):
            raise LeftOut(
                "no image, and no table of diagnoses (a subject's or image's column and one like 'diagnosis')"
            )

    def may_lack_some(self, row: Sequence[str]) -> bool:
        """Whether something that is read here may be missing at the end of a row."""
        read = (self._subject, self._image, self._diagnosis, self._day)
        return len(row) <= self._last or self._last in read

    def of(self, row: Sequence[str]) -> tuple[str, str, str, str] | None:
        said = label(_cell(row, self._diagnosis))
        who, which = subject(_cell(row, self._subject)), image(_cell(row, self._image))
        return (who, which, day(_cell(row, self._day)), said) if said and (who or which) else None


def _cell(row: Sequence[str], place: int | None) -> str:
    return row[place] if place is not None and place < len(row) else ""


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def chosen(of_day: str, said: Iterable[tuple[str, str]]) -> str:
    """The label among rows of (day, label): the one that all say, else the nearest in time; empty where that is not to
    be told.
    """
    found = list(said)
    if len({name for _, name in found}) <= 1:
        return found[0][1] if found else ""
    dated = [(abs(_ordinal(when) - _ordinal(of_day)), name) for when, name in found if when] if of_day else []
    nearest = min(dated, default=(0, ""))[0]
    names = {name for distance, name in dated if distance == nearest}
    return names.pop() if len(names) == 1 else ""


def _ordinal(written: str) -> int:
    try:
        return dt.date(int(written[:4]), int(written[4:6]), int(written[6:8])).toordinal()
    except ValueError:
        return 0
