"""An imported cohort on disk: `studies/STUDY/INSTANCE.dcm`, `index.sqlite` of them, and `cohort.json` once it is whole.

A file is put in its place before the index names it, and the index is written in transactions: whatever ends an import,
what the index names is there. What is not there all the same, since a disk or somebody has lost it, is noticed as the
next import begins.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Self

from emulator.writing import write_whole
from nodes.errors import WrongState
from nodes.imports import disk, labelling, tables
from nodes.imports.findings import Instance, LeftOut, Source
from nodes.imports.index import FORMAT, STUDIES, opened
from nodes.phantoms.classes import LABELS, Label

_SUMMARY = "cohort.json"
_A_TRANSACTION = 200  # sources: what a kill costs to look at again
_A_PAGE = 1000
_LOST = "its images were lost from the cohort, and it was not there to be imported again"


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
        self._db = opened(folder, writing)

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
        """The cohort is not whole from now until `finish`; what an interrupted import left is swept away, and what came
        from sources of which something was lost is forgotten, so that they are imported again."""
        (self.folder / _SUMMARY).unlink(missing_ok=True)
        (self.folder / STUDIES).mkdir(exist_ok=True)
        shutil.rmtree(self.room, ignore_errors=True)
        self.room.mkdir()
        for name in self._lost():
            archive = self._db.execute("SELECT archive FROM sources WHERE name = ?", (name,)).fetchone()
            self.forget(name)
            row = (name, archive[0] if archive else "", "", "", _LOST)
            self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?)", row)
            if archive:
                self._db.execute("UPDATE sources SET stamp = '' WHERE name = ?", archive)  # it is opened again

    def _lost(self) -> Iterator[str]:
        """Sources of which an instance is not there, or not as long as it was."""
        last = ""
        query = "SELECT uid, study, bytes, source FROM instances WHERE uid > ? ORDER BY uid LIMIT ?"
        while some := self._db.execute(query, (last, _A_PAGE)).fetchall():
            yield from dict.fromkeys(source for uid, study, size, source in some if self._size(study, uid) != size)
            last = some[-1][0]

    def _size(self, study: str, uid: str) -> int | None:
        try:
            return self._path(study, uid).stat().st_size
        except FileNotFoundError:
            return None

    def knows(self, source: Source) -> bool:
        """Whether the source was imported before, and has not changed since; one that was left out may do now."""
        row = self._db.execute("SELECT stamp FROM sources WHERE name = ? AND why IS NULL", (source.name,)).fetchone()
        return row is not None and row[0] == source.stamp

    def has_changed(self, source: Source) -> bool:
        """Whether the source was looked at before, and was another one then."""
        row = self._db.execute("SELECT stamp FROM sources WHERE name = ?", (source.name,)).fetchone()
        return row is not None and row[0] != source.stamp

    def forget(self, name: str) -> None:
        """Away with all that came from a source, or from what was in it."""
        members = "SELECT name FROM sources WHERE archive = ? LIMIT ?"
        while some := self._db.execute(members, (name, _A_PAGE)).fetchall():
            for (member,) in some:
                self._forget_one(member)
        self._forget_one(name)

    def _forget_one(self, name: str) -> None:
        for study, uid in self._db.execute("SELECT study, uid FROM instances WHERE source = ?", (name,)).fetchall():
            path = self._path(study, uid)
            path.unlink(missing_ok=True)
            self._db.execute("DELETE FROM instances WHERE uid = ?", (uid,))
            if self._db.execute("SELECT 1 FROM instances WHERE study = ? LIMIT 1", (study,)).fetchone() is None:
                self._db.execute("DELETE FROM studies WHERE uid = ?", (study,))
                with suppress(OSError):  # something else lies in it
                    path.parent.rmdir()
        self._db.execute("DELETE FROM diagnoses WHERE source = ?", (name,))
        self._db.execute("DELETE FROM sources WHERE name = ?", (name,))

    def tell(self, source: Source, why: str | None, content: str = "") -> None:
        """A source has been looked at: it is imported, or left out and why. `content` is what `refuse_copy` knows it
        by."""
        row = (source.name, source.archive, source.stamp, content, why)
        self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?)", row)
        self._uncommitted += 1
        if self._uncommitted >= _A_TRANSACTION:
            self._db.commit()
            self._uncommitted = 0

    def leave_out(self, name: str, archive: str, why: str) -> None:
        """Something that is no source at all."""
        self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, '', '', ?)", (name, archive, why))

    def refuse_copy(self, source: Source, content: str) -> None:
        """Raises LeftOut where the same content is there already from elsewhere: the UIDs of images that are made here
        are those of their dataset, and would not show it."""
        query = "SELECT name FROM sources WHERE content = ? AND content != '' AND name != ? AND why IS NULL"
        if there := self._db.execute(query, (content, source.name)).fetchone():
            raise LeftOut(f"a double: byte for byte the same as {there[0]}, which is there already")

    def dataset(self, root: str) -> str:
        """What a dataset is called in UIDs: as its folder, and no other dataset of the cohort is called so."""
        found = self._db.execute("SELECT name FROM datasets WHERE root = ?", (root,)).fetchone()
        if found is None:
            base = PurePosixPath(root).name
            taken = "SELECT 1 FROM datasets WHERE name = ?"
            names = (base if number == 1 else f"{base} {number}" for number in count(1))
            found = (next(name for name in names if self._db.execute(taken, (name,)).fetchone() is None),)
            self._db.execute("INSERT INTO datasets VALUES (?, ?)", (root, *found))
        return str(found[0])

    def keep_file(self, instance: Instance, source: Source) -> None:
        """Keep a DICOM file as it is: as a hard link where that can be, else a copy. Raises LeftOut for a double,
        CannotHere where the cohort's own disk fails."""
        size, digest = disk.digest(source.path)
        if self._is_new(instance, source, digest):
            with disk.draft(self._target(instance)) as draft:
                disk.link(source.path, draft)
            self._insert(instance, source, size, digest)

    def keep_bytes(self, instance: Instance, source: Source, content: bytes) -> None:
        """Keep an image that was made here from a source. Raises as `keep_file`."""
        digest = hashlib.sha256(content).hexdigest()
        if self._is_new(instance, source, digest):
            with disk.draft(self._target(instance)) as draft, disk.own_disk(draft):
                draft.write_bytes(content)
            self._insert(instance, source, len(content), digest)

    def _path(self, study: str, uid: str) -> Path:
        return self.folder / STUDIES / study / f"{uid}.dcm"

    def _target(self, instance: Instance) -> Path:
        path = self._path(instance.study, instance.sop)
        with disk.own_disk(path):
            path.parent.mkdir(exist_ok=True)
        return path

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
        self.dataset(source.dataset)
        self._db.execute(
            "INSERT INTO studies VALUES (?, ?, ?, ?, ?, ?, '', '') ON CONFLICT (uid) DO NOTHING",
            (one.study, one.patient, tables.subject(one.subject), source.dataset, one.image, one.day),
        )
        row = (one.sop, one.study, one.series, one.modality, one.label, size, digest, source.name)
        self._db.execute("INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def diagnose(self, source: Source, rows: Iterator[tuple[str, str, str, str]]) -> None:
        """Take a table of diagnoses in place of what it said before: subject, image, day, label. One that was imported
        by itself is of the dataset that it lies in, or of none."""
        dataset = source.dataset
        if source.alone:
            query = "SELECT root FROM datasets WHERE instr(?, root || '/') = 1 ORDER BY length(root) DESC"
            around = self._db.execute(query, (dataset,)).fetchone()
            dataset = around[0] if around else ""
        self._db.execute("DELETE FROM diagnoses WHERE source = ?", (source.name,))
        self._db.executemany(
            "INSERT INTO diagnoses VALUES (?, ?, ?, ?, ?, ?)", ((source.name, dataset, *row) for row in rows)
        )

    def finish(self) -> Imported:
        """Give each study its label, and declare the cohort whole."""
        labelling.label_all(self._db)
        self._db.commit()
        found = self._summary()
        shutil.rmtree(self.room, ignore_errors=True)
        write_whole(self.folder / _SUMMARY, json.dumps(asdict(found), indent=1).encode())
        return found

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
            yield self._path(study, uid), digest
