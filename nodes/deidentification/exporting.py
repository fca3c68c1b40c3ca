"""Files of a folder, de-identified into another one, file by file: nothing is held, and a kill costs the file in hand.

What was done lies in a ledger apart from the files, since it names the originals.
"""

import csv
import fcntl
import hashlib
import hmac
import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emulator.writing import write_whole
from nodes.curation.identifying_attributes import identifying_attributes
from nodes.curation.images import Image, header, look
from nodes.deidentification.dates import Dates
from nodes.deidentification.pixels import refuse_unclean
from nodes.deidentification.profile import deidentify, new_uid, refuse_short
from nodes.errors import Unreadable, WrongState
from nodes.imports import dicom, disk
from nodes.imports.findings import LeftOut, Source
from nodes.imports.sources import sources

Progress = Callable[[str, int, int], None]

LEFT_OUT: Final = "left-out.csv"
_LEDGER: Final = "ledger.sqlite"
_DOING: Final = "de-identifying files"
_A_TRANSACTION: Final = 100
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS settings (digest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    name TEXT PRIMARY KEY, stamp TEXT NOT NULL, target TEXT UNIQUE, named INTEGER NOT NULL, why TEXT);
"""


@dataclass(frozen=True)
class Exported:
    """What an export has come to. `files` are there now, of `studies`; `left_out` are not, and `list` says why.
    `written` came by this run; `known` it met and were there before. `named` is in how many of the files curation's
    check found attributes that identify somebody, before; afterwards it finds none, since a file in which it does is
    left out.
    """

    files: int
    studies: int
    written: int
    known: int
    left_out: int
    list: Path
    named: int


def export(path: Path, target: Path, secret: bytes, dates: Dates, ledgers: Path, progress: Progress) -> Exported:
    """De-identify what is below `path` into `target`, as STUDY/INSTANCE.dcm under the new UIDs.

    Run again, it does what is new or has changed. Raises WrongInput for a short secret, WrongState where another
    export into `target` is going on, or it was written with another secret or other dates.
    """
    refuse_short(secret)
    folder = _own_folder(ledgers / hashlib.sha256(str(target.resolve()).encode()).hexdigest()[:16])
    target.mkdir(parents=True, exist_ok=True)
    with _alone(folder, target), disk.own_database(folder / _LEDGER), _Ledger(folder, target) as ledger:
        ledger.settle(hmac.digest(secret, dates.encode(), hashlib.sha256).hex())
        ledger.forget_lost()
        known = 0
        total = sum(1 for _ in sources(path))
        progress(_DOING, 0, max(1, total))
        for done, found in enumerate(sources(path), start=1):
            known += _one(found, _Cleaning(secret, dates), ledger)
            progress(_DOING, done, max(done, total))
        _write_list(folder / LEFT_OUT, ledger)
        return ledger.summary(known, folder / LEFT_OUT)


def _own_folder(folder: Path) -> Path:
    """For this user only: what lies in it names the originals."""
    for one in (folder.parent, folder):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
        one.chmod(0o700)
    (folder / _LEDGER).touch(mode=0o600)
    (folder / _LEDGER).chmod(0o600)
    return folder


@dataclass(frozen=True)
class _Cleaning:
    secret: bytes
    dates: Dates


@contextmanager
def _alone(folder: Path, target: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WrongState(f"another de-identification into {target} is going on; wait for it") from error
        yield


def _one(found: Source | tuple[str, LeftOut], cleaning: _Cleaning, ledger: "_Ledger") -> bool:
    """Whether it was done before."""
    if not isinstance(found, Source):
        ledger.leave_out(found[0], "", str(found[1]))
        return False
    if ledger.knows(found):
        return True
    try:
        _clean(found, cleaning, ledger)
    except (LeftOut, Unreadable) as why:
        ledger.leave_out(found.name, found.stamp, str(why))
    except OSError as error:
        ledger.leave_out(found.name, found.stamp, f"it cannot be read ({error.strerror})")
    return False


def _clean(source: Source, cleaning: _Cleaning, ledger: "_Ledger") -> None:
    """Raises LeftOut and Unreadable."""
    if not source.path.stat().st_size or not dicom.is_dicom(source.path):
        raise LeftOut("not DICOM (no DICM at byte 128)")
    whose = dicom.read(source.path)
    data = source.path.read_bytes()
    image = look(data)
    refuse_unclean(image, data)
    clean = deidentify(data, cleaning.secret, cleaning.dates)
    if left := [*identifying_attributes(Image(header(clean), [], ""))]:
        raise LeftOut(f"it would still say whom it is of: {left[0]}")
    study, instance = (new_uid(uid, cleaning.secret) for uid in (whose.study, whose.sop))
    ledger.keep(source, f"{study}/{instance}.dcm", clean, any(identifying_attributes(image)))


class _Ledger:
    """Which file has become which. A context manager."""

    def __init__(self, folder: Path, target: Path) -> None:
        self._folder = folder
        self._target = target
        self._uncommitted = self._written = 0
        self._db = sqlite3.connect(folder / _LEDGER)
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> "_Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.commit()
        self._db.close()

    def settle(self, digest: str) -> None:
        """One secret and one way with dates for a folder: others would tear studies and patients apart."""
        found = self._db.execute("SELECT digest FROM settings").fetchone()
        if found is None:
            self._db.execute("INSERT INTO settings VALUES (?)", (digest,))
            self._db.commit()  # before any file: after a kill no other key may be taken
        elif found[0] != digest:
            raise WrongState(
                f"{self._target} was written with another key, or another way with dates; take these again, or "
                "another folder"
            )

    def forget_lost(self) -> None:
        """What somebody has taken away since is not there, and is nobody's double."""
        self._db.create_function("is_there", 1, lambda place: (self._target / place).exists())
        self._db.execute("DELETE FROM files WHERE target IS NOT NULL AND NOT is_there(target)")

    def knows(self, source: Source) -> bool:
        """Whether it was done before, and has not changed since."""
        row = self._db.execute("SELECT stamp, target FROM files WHERE name = ?", (source.name,)).fetchone()
        return row is not None and row[0] == source.stamp and bool(row[1])

    def keep(self, source: Source, place: str, data: bytes, named: bool) -> None:
        """Put a file in its place. Raises LeftOut where another source has become that one."""
        there = self._db.execute(
            "SELECT name FROM files WHERE target = ? AND name != ?", (place, source.name)
        ).fetchone()
        if there is not None:
            raise LeftOut(f"a double: its UID is that of {there[0]}")
        path = self._target / place
        with disk.own_disk(path):
            path.parent.mkdir(exist_ok=True)
        with disk.draft(path) as draft, disk.own_disk(path):
            draft.write_bytes(data)
        self._withdraw(source.name, but=place)
        self._note(source.name, source.stamp, place, named, None)
        self._written += 1

    def leave_out(self, name: str, stamp: str, why: str) -> None:
        """It was not; what an earlier content of it had become goes."""
        self._withdraw(name, but="")
        self._note(name, stamp, None, False, why)

    def _withdraw(self, name: str, but: str) -> None:
        row = self._db.execute("SELECT target FROM files WHERE name = ?", (name,)).fetchone()
        if row is not None and row[0] and row[0] != but:
            (self._target / row[0]).unlink(missing_ok=True)

    def _note(self, name: str, stamp: str, place: str | None, named: bool, why: str | None) -> None:
        self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", (name, stamp, place, named, why))
        self._uncommitted += 1
        if self._uncommitted >= _A_TRANSACTION:
            self._db.commit()
            self._uncommitted = 0

    def left_out(self) -> Iterator[tuple[str, str]]:
        """What was left out and why, by name."""
        yield from self._db.execute("SELECT name, why FROM files WHERE why IS NOT NULL ORDER BY name")

    def summary(self, known: int, listed: Path) -> Exported:
        """All that is there now."""
        distinct = "COUNT(DISTINCT substr(target, 1, instr(target, '/')))"
        row = self._db.execute(f"SELECT COUNT(target), {distinct}, COUNT(why), SUM(named) FROM files").fetchone()  # noqa: S608 - ours
        files, studies, left_out, named = (int(value or 0) for value in row)
        return Exported(files, studies, self._written, known, left_out, listed, named)


def _write_list(path: Path, ledger: _Ledger) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("file", "why"))
    rows.writerows(ledger.left_out())
    with disk.own_disk(path):
        write_whole(path, text.getvalue().encode(errors="backslashreplace"))
        path.chmod(0o600)
