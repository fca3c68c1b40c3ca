"""Which label each study of a cohort has.

What the files say themselves goes before what a table says. Of tables, rows of the image go before rows of the subject,
and of these rows of the study's own dataset before those of tables that lie above it, or were imported by themselves:
such a table counts only for subjects that no other dataset has too.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from nodes.imports import tables

_A_PAGE = 1000
_OUTER = "instr(?, dataset || '/') = 1"
"""A dataset's path begins with that of the table's dataset; with none at all, it always does."""

Rows = list[tuple[str, str]]
"""Days and labels."""


class _Study(NamedTuple):
    uid: str
    subject: str
    dataset: str
    image: str
    day: str


def label_all(db: sqlite3.Connection) -> None:
    """Write every study's label, and what its own files say of it, into the index."""
    for study in _studies(db):
        own = _own(db, study)
        label = own or next((found for rows in _said(db, study) if (found := tables.chosen(study.day, rows))), "")
        db.execute("UPDATE studies SET own = ?, label = ? WHERE uid = ?", (own, label, study.uid))


def _studies(db: sqlite3.Connection) -> Iterator[_Study]:
    last = ""
    query = "SELECT uid, subject, dataset, image, day FROM studies WHERE uid > ? ORDER BY uid LIMIT ?"
    while some := db.execute(query, (last, _A_PAGE)).fetchall():
        yield from (_Study(*row) for row in some)
        last = some[-1][0]


def _own(db: sqlite3.Connection, study: _Study) -> str:
    query = "SELECT own FROM instances WHERE study = ? AND own != '' ORDER BY uid LIMIT 1"
    found = db.execute(query, (study.uid,)).fetchone()
    return str(found[0]) if found else ""


def _said(db: sqlite3.Connection, study: _Study) -> Iterator[Rows]:
    """What tables say of a study, the surest first."""
    if study.image:
        yield _rows(db, "image = ? AND subject = ?", study.image, study.subject)
        of_nobody = f"image = ? AND subject = '' AND (dataset = ? OR {_OUTER})"
        yield _rows(db, of_nobody, study.image, study.dataset, study.dataset)
    if not study.subject:
        return
    if tables.is_worldwide(study.subject):
        yield _rows(db, "subject = ?", study.subject)
        return
    yield _rows(db, "subject = ? AND dataset = ?", study.subject, study.dataset)
    if _is_alone(db, study.subject):
        yield _rows(db, f"subject = ? AND {_OUTER}", study.subject, study.dataset)


def _rows(db: sqlite3.Connection, where: str, *values: str) -> Rows:
    return db.execute(f"SELECT day, label FROM diagnoses WHERE {where}", values).fetchall()  # noqa: S608 - of those above


def _is_alone(db: sqlite3.Connection, subject: str) -> bool:
    """Whether one dataset at most has somebody of that name."""
    return bool(
        db.execute("SELECT COUNT(DISTINCT dataset) < 2 FROM studies WHERE subject = ?", (subject,)).fetchone()[0]
    )
