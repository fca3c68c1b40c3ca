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
from nodes.imports import archives, dicom, disk, idx, nifti, tables
from nodes.imports.findings import Instance, LeftOut, Source
from nodes.imports.index import INDEX
from nodes.imports.sources import sources
from nodes.imports.store import Imported, Store

Progress = Callable[[str, int, int], None]
Converter = Callable[[Source, str, str], Iterator[tuple[Instance, bytes]]]
"""Makes DICOM of a source, given what its dataset is called and the source's SHA-256. Raises LeftOut."""

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
    with _alone(folder), disk.own_database(folder / INDEX), Store(folder, writing=True) as store:
        store.begin()
        looking = _Looking(store, progress, _surveyed(store, path))
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


def _surveyed(store: Store, path: Path) -> int:
    """How many files there are to look at. What came from those that have changed since goes, before anything new
    comes: a corrected series never stands against what is left of itself."""
    found = 0
    for found, one in enumerate(sources(path), start=1):  # noqa: B007 - counted on
        if isinstance(one, Source) and store.has_changed(source := idx.with_labels(one)):
            store.forget(source.name)
    return found


class _Looking:
    """Looks at sources one by one."""

    def __init__(self, store: Store, progress: Progress, total: int) -> None:
        self._store = store
        self._progress = progress
        self._total = total
        self.done = self.known = 0
        progress(_LOOKING, 0, max(1, total))

    def at(self, found: Source | tuple[str, LeftOut], archive: str = "") -> None:
        """One source, or one that was left out before it could be looked at; what it was unpacked from."""
        if isinstance(found, Source):
            self._source(idx.with_labels(found))
        else:
            self._store.leave_out(found[0], archive, str(found[1]))
        self.done += 1
        self._progress(_LOOKING, self.done, self._total)

    def _source(self, source: Source) -> None:
        if self._store.knows(source):
            self.known += 1
            return
        try:
            content = self._take(source)
        except LeftOut as left_out:
            self._leave_out(source, str(left_out))
        except OSError as error:
            if error.filename != str(source.path) and error.errno not in _BAD_DISK:
                raise  # it is the cohort's own folder that makes trouble
            self._leave_out(source, f"it cannot be read ({error.strerror})")
        else:
            self._store.tell(source, None, content)

    def _leave_out(self, source: Source, why: str) -> None:
        """Wholly: what came of it before that showed goes."""
        self._store.forget(source.name)
        self._store.tell(source, why)

    def _take(self, source: Source) -> str:
        """Keep what is in it; what copies of it are known by, where its UIDs don't tell."""
        name = source.place.name
        if not source.path.stat().st_size:
            raise LeftOut("empty")
        if dicom.is_dicom(source.path):
            self._store.keep_file(dicom.read(source.path), source)
        elif archives.is_zip(source.path):
            self._open(source)
        elif nifti.is_nifti(name):
            return self._convert(source, nifti.convert)
        elif idx.is_images(name):
            return self._convert(source, idx.convert)
        elif name.casefold().endswith((".csv", ".tsv")):
            self._store.diagnose(source, tables.rows(source.path, name))
        elif not idx.is_labels(name):
            raise LeftOut(_no_image(name))
        return ""

    def _open(self, archive: Source) -> None:
        if not archive.own:
            raise LeftOut("an archive in an archive is not opened")
        self._total += archives.count(archive.path)
        for member in archives.members(archive, self._store.room):
            self.at(member, archive.name)
            if isinstance(member, Source):
                member.path.unlink(missing_ok=True)

    def _convert(self, source: Source, convert: Converter) -> str:
        _, digest = disk.digest(source.path)
        content = f"{digest} {source.place.name}"
        self._store.refuse_copy(source, content)
        for instance, made in convert(source, self._store.dataset(source.dataset), digest):
            self._store.keep_bytes(instance, source, made)
        return content


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
