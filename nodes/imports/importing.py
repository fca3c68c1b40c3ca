"""One import: every file below a path is looked at once, and kept, converted, read as a table, or left out."""

import csv
import errno
import fcntl
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.writing import write_whole
from nodes.errors import WrongState
from nodes.imports import archives, dicom, idx, nifti, tables
from nodes.imports.findings import Instance, LeftOut, Source
from nodes.imports.sources import count, sources
from nodes.imports.store import Imported, Store

Progress = Callable[[str, int, int], None]

LEFT_OUT = "left-out.csv"
_LOOKING = "importing files"
_BAD_DISK = (errno.EIO, errno.ESTALE)


@dataclass(frozen=True)
class Outcome:
    """What an import has come to: the whole cohort; how many files were looked at and left out by this import; where
    the list of all that was ever left out of the cohort is.
    """

    cohort: Imported
    looked_at: int
    known: int
    left_out: int
    list: Path


def run(path: Path, folder: Path, progress: Progress) -> Outcome:
    """Import what is below `path` into the cohort in `folder`.

    An import that is interrupted goes on where it stopped when it is run again; files that it knows, and that have not
    changed, are passed over. Raises WrongState where another import into the cohort is going on.
    """
    with _alone(folder), Store(folder, writing=True) as store:
        store.begin()
        looking = _Looking(store, path.resolve().name, progress, count(path))
        for found in sources(path):
            looking.at(found)
        whole = store.finish()
        _write_list(folder / LEFT_OUT, store)
        left_out = sum(1 for _ in store.left_out())
        return Outcome(whole, looking.done, looking.known, left_out, folder / LEFT_OUT)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WrongState(f"another import into cohort '{folder.name}' is going on; wait for it") from error
        yield


class _Looking:
    """Looks at sources one by one."""

    def __init__(self, store: Store, dataset: str, progress: Progress, total: int) -> None:
        self._store = store
        self._dataset = dataset
        self._progress = progress
        self._total = total
        self.done = self.known = 0
        progress(_LOOKING, 0, max(1, total))

    def at(self, found: Source | tuple[str, LeftOut]) -> None:
        """One source, or one that was left out before it could be looked at."""
        if isinstance(found, Source):
            self._source(found)
        else:
            self._store.tell(found[0], "", str(found[1]))
        self.done += 1
        self._progress(_LOOKING, self.done, self._total)

    def _source(self, source: Source) -> None:
        if self._store.knows(source):
            self.known += 1
            return
        why = None
        try:
            self._take(source)
        except LeftOut as left_out:
            why = str(left_out)
        except OSError as error:
            if error.filename != str(source.path) and error.errno not in _BAD_DISK:
                raise  # it is the cohort's own folder that makes trouble
            why = f"it cannot be read ({error.strerror})"
        self._store.tell(source.name, source.stamp, why)

    def _take(self, source: Source) -> None:
        name = source.place.name
        if not source.path.stat().st_size:
            raise LeftOut("empty")
        if dicom.is_dicom(source.path):
            self._store.keep_file(dicom.read(source.path), source)
        elif archives.is_zip(source.path):
            self._open(source)
        elif nifti.is_nifti(name):
            self._convert(source, nifti.convert(source, self._dataset))
        elif idx.is_images(name):
            self._convert(source, idx.convert(source, self._dataset))
        elif name.casefold().endswith((".csv", ".tsv")):
            self._store.diagnose(source.name, tables.rows(source.path, name))
        elif not idx.is_labels(name):
            raise LeftOut(_no_image(name))

    def _open(self, archive: Source) -> None:
        if not archive.own:
            raise LeftOut("an archive in an archive is not opened")
        self._total += archives.count(archive.path)
        for member in archives.members(archive, self._store.room):
            self.at(member)
            if isinstance(member, Source):
                member.path.unlink(missing_ok=True)

    def _convert(self, source: Source, made: Iterator[tuple[Instance, bytes]]) -> None:
        for instance, content in made:
            self._store.keep_bytes(instance, source, content)


def _no_image(name: str) -> str:
    lower = name.casefold()
    if lower.endswith((".img", ".hdr")):
        return "Analyze 7.5, which does not tell left from right; convert it to NIfTI"
    if lower.endswith((".gz", ".tar", ".tgz", ".7z", ".rar", ".xz", ".bz2")):
        return "packed in a way that is not opened; unpack it"
    return "neither DICOM (no DICM at byte 128), nor NIfTI, idx, zip or a table"


def _write_list(path: Path, store: Store) -> None:
    """In one go, so that it is whole: a line a file, some tens of bytes."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("file", "why"))
    rows.writerows(store.left_out())
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))
