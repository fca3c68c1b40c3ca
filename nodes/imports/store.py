"""An imported cohort on disk: `studies/STUDY/INSTANCE.dcm`, `index.sqlite` of them, and `cohort.json` once it is whole.

A file is put in its place before the index names it, and the index is written in transactions: whatever ends an import,
what the index names is there.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from emulator.writing import write_whole
from nodes.errors import WrongState
from nodes.imports import tables
from nodes.imports.findings import Instance, LeftOut, Source
from nodes.phantoms.subjects import LABELS, Label

FORMAT = 1
_SUMMARY, _INDEX, _STUDIES = "cohort.json", "index.sqlite", "studies"
_A_TRANSACTION = 200  # sources: what a kill costs to look at again
_CHUNK_BYTES = 1 << 20
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (name TEXT PRIMARY KEY, stamp TEXT NOT NULL, why TEXT);
CREATE TABLE IF NOT EXISTS studies (
    uid TEXT PRIMARY KEY, patient TEXT NOT NULL, subject TEXT NOT NULL, image TEXT NOT NULL, day TEXT NOT NULL,
    own TEXT NOT NULL, label TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS instances (
    uid TEXT PRIMARY KEY, study TEXT NOT NULL, series TEXT NOT NULL, modality TEXT NOT NULL, bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL, source TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_study ON instances (study, uid);
CREATE TABLE IF NOT EXISTS diagnoses (
    source TEXT NOT NULL, subject TEXT NOT NULL, image TEXT NOT NULL, day TEXT NOT NULL, label TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_subject ON diagnoses (subject);
CREATE INDEX IF NOT EXISTS by_image ON diagnoses (image);
"""


@dataclass(frozen=True)
class Imported:
    """What a whole cohort holds. `content` is a digest of all of it: instances, their bytes, labels. `labels` counts
    studies by label, those without one under the empty name.
    """

    content: str
    studies: int
    instances: int
    bytes: int
    labels: Mapping[str, int]
    modalities: Mapping[str, int]
    format: int = FORMAT


def cohorts_folder(home: Path) -> Path:
    """Where the imported cohorts of a `$TESTBED_HOME` are."""
    return home / "cohorts"


def imported(folder: Path) -> Imported:
    """The cohort in a folder. Raises WrongState where its import has not come to its end."""
    try:
        found = Imported(**json.loads((folder / _SUMMARY).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise WrongState(
            f"cohort '{folder.name}' is not whole: its import was interrupted, or is going on; go on with it by: "
            f"testbed import PATH --out {folder.name}"
        ) from error
    if found.format != FORMAT:
        raise WrongState(f"cohort '{folder.name}' was imported by another version; import it again")
    return found


def listed(home: Path) -> dict[str, Imported]:
    """Every whole cohort, with any studies in it, of a `$TESTBED_HOME`, by its name."""
    found = {}
    for folder in sorted(cohorts_folder(home).glob("*")):
        try:
            found[folder.name] = imported(folder)
        except WrongState:
            continue
    return {name: one for name, one in found.items() if one.studies}


class Store:
    """One cohort, open for reading, or for an import (`writing`). A context manager."""

    def __init__(self, folder: Path, writing: bool = False) -> None:
        self.folder = folder
        self._writing = writing
        self._uncommitted = 0
        if writing:
            (folder / _STUDIES).mkdir(parents=True, exist_ok=True)
        uri = f"{(folder / _INDEX).as_uri()}?mode={'rwc' if writing else 'ro'}"
        self._db = sqlite3.connect(uri, uri=True)
        if writing:
            self._db.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writing:
            self._db.commit()
        self._db.close()

    @property
    def room(self) -> Path:
        """A folder for what is unpacked; emptied at each import."""
        return self.folder / "unpacked"

    def begin(self) -> None:
        """The cohort is not whole from now until `finish`; what an interrupted import left is swept away."""
        (self.folder / _SUMMARY).unlink(missing_ok=True)
        shutil.rmtree(self.room, ignore_errors=True)
        self.room.mkdir()

    def knows(self, source: Source) -> bool:
        """Whether the source was imported before, and has not changed since; one that was left out may do now."""
        row = self._db.execute("SELECT stamp FROM sources WHERE name = ? AND why IS NULL", (source.name,)).fetchone()
        return row is not None and row[0] == source.stamp

    def tell(self, name: str, stamp: str, why: str | None) -> None:
        """A source has been looked at: it is imported, or left out and why."""
        self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?)", (name, stamp, why))
        self._uncommitted += 1
        if self._uncommitted >= _A_TRANSACTION:
            self._db.commit()
            self._uncommitted = 0

    def keep_file(self, instance: Instance, source: Source) -> None:
        """Keep a DICOM file as it is: as a hard link where that can be, else a copy. Raises LeftOut for a double."""
        size, digest = _digest(source.path)
        if self._is_new(instance, source, digest):
            with _draft(self._target(instance)) as draft:
                _link(source.path, draft)
            self._insert(instance, source, size, digest)

    def keep_bytes(self, instance: Instance, source: Source, content: bytes) -> None:
        """Keep an image that was made here from a source. Raises LeftOut for a double."""
        digest = hashlib.sha256(content).hexdigest()
        if self._is_new(instance, source, digest):
            with _draft(self._target(instance)) as draft:
                draft.write_bytes(content)
            self._insert(instance, source, len(content), digest)

    def _target(self, instance: Instance) -> Path:
        folder = self.folder / _STUDIES / instance.study
        folder.mkdir(exist_ok=True)
        return folder / f"{instance.sop}.dcm"

    def _is_new(self, instance: Instance, source: Source, digest: str) -> bool:
        """Whether it has to be kept; False where it is, from this very source, and the same. Raises LeftOut where it is
        there from elsewhere: an instance is there once.
        """
        there = self._db.execute("SELECT sha256, source FROM instances WHERE uid = ?", (instance.sop,)).fetchone()
        if there is not None and there[1] != source.name:
            same = "byte for byte the same" if there[0] == digest else "with other content; a UID must name one thing"
            raise LeftOut(f"a double: instance {instance.sop} is there already, from {there[1]}, {same}")
        row = self._db.execute("SELECT patient FROM studies WHERE uid = ?", (instance.study,)).fetchone()
        if row is not None and row[0] != instance.patient:
            raise LeftOut(
                f"study {instance.study} is there already as that of another patient ('{row[0]}', here "
                f"'{instance.patient}')"
            )
        return there is None or there[0] != digest

    def _insert(self, instance: Instance, source: Source, size: int, digest: str) -> None:
        one = instance
        self._db.execute(
            "INSERT INTO studies VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uid) DO UPDATE SET own = excluded.own "
            "WHERE own = ''",
            (one.study, one.patient, tables.subject(one.subject), one.image, one.day, one.label, one.label),
        )
        row = (one.sop, one.study, one.series, one.modality, size, digest, source.name)
        self._db.execute("INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def diagnose(self, source: str, rows: Iterator[tuple[str, str, str, str]]) -> None:
        """Take a table of diagnoses in place of what it said before: subject, image, day, label."""
        self._db.execute("DELETE FROM diagnoses WHERE source = ?", (source,))
        self._db.executemany("INSERT INTO diagnoses VALUES (?, ?, ?, ?, ?)", ((source, *row) for row in rows))

    def finish(self) -> Imported:
        """Give each study its label, and declare the cohort whole."""
        self._label()
        self._db.commit()
        found = self._summary()
        shutil.rmtree(self.room, ignore_errors=True)
        write_whole(self.folder / _SUMMARY, json.dumps(asdict(found), indent=1).encode())
        return found

    def _label(self) -> None:
        """What the files say themselves goes before what a table says; of its rows, those of the image before those of
        the subject, and of these those nearest in time.
        """
        last = ""
        while some := self._db.execute(
            "SELECT uid, subject, image, day, own FROM studies WHERE uid > ? ORDER BY uid LIMIT 1000", (last,)
        ).fetchall():
            for uid, subject, image, day, own in some:
                said = own or tables.chosen(day, self._said("image", image))
                label = said or tables.chosen(day, self._said("subject", subject))
                self._db.execute("UPDATE studies SET label = ? WHERE uid = ?", (label, uid))
            last = some[-1][0]

    def _said(self, column: str, value: str) -> list[tuple[str, str]]:
        if not value:
            return []
        return self._db.execute(f"SELECT day, label FROM diagnoses WHERE {column} = ?", (value,)).fetchall()  # noqa: S608 - one of two names

    def _summary(self) -> Imported:
        digest = hashlib.sha256()
        instances = size = 0
        rows = self._db.execute(
            "SELECT instances.uid, sha256, label, bytes FROM instances JOIN studies ON studies.uid = study "
            "ORDER BY instances.uid"
        )
        for uid, sha256, label, length in rows:
            digest.update(f"{uid} {sha256} {label}\n".encode())
            instances, size = instances + 1, size + length
        labels = dict(self._db.execute("SELECT label, COUNT(*) FROM studies GROUP BY label ORDER BY label"))
        modalities = self._db.execute(
            "SELECT modality, COUNT(DISTINCT study) FROM instances GROUP BY modality ORDER BY modality"
        )
        return Imported(digest.hexdigest(), sum(labels.values()), instances, size, labels, dict(modalities))

    def left_out(self) -> Iterator[tuple[str, str]]:
        """What was left out and why, by name."""
        yield from self._db.execute("SELECT name, why FROM sources WHERE why IS NOT NULL ORDER BY name")

    def studies(self, label: str) -> list[str]:
        """The UIDs of the studies of one label, in their order."""
        rows = self._db.execute("SELECT uid FROM studies WHERE label = ? ORDER BY uid", (label,))
        return [uid for (uid,) in rows]

    def lacking_label(self, study: str) -> Label | None:
        """The label of a study whose files do not say it themselves; None where they do, or there is none."""
        own, label = self._db.execute("SELECT own, label FROM studies WHERE uid = ?", (study,)).fetchone()
        return None if own else next((one for one in LABELS if one == label), None)

    def files(self, study: str) -> Iterator[tuple[Path, str]]:
        """The files of a study, and their digests."""
        for uid, digest in self._db.execute("SELECT uid, sha256 FROM instances WHERE study = ? ORDER BY uid", (study,)):
            yield self.folder / _STUDIES / study / f"{uid}.dcm", digest


def _digest(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A file beside `target` that takes its place once the block has ended well."""
    draft = target.with_suffix(".part")
    draft.unlink(missing_ok=True)
    yield draft
    draft.replace(target)
    draft.unlink(missing_ok=True)  # of two links to one file, rename leaves both


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, one without links, or another user's file
        with source.open("rb") as file, target.open("wb") as copy:
            shutil.copyfileobj(file, copy, _CHUNK_BYTES)
