"""What an import meets: files to look at, images ready to be kept, and why a file was left out."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath


class LeftOut(Exception):  # noqa: N818 - reads as the sentence it is
    """Why a file is not imported. It goes into the list; the import goes on."""


@dataclass(frozen=True)
class Source:
    """One file. `name` is what the list calls it: its path, or `ARCHIVE!MEMBER`; `place` its path below what is
    imported. `dataset` is the folder (or file) that it belongs to: where two datasets call somebody the same, these
    are two people. `stamp` changes with its content. It can be read at `path` while it is looked at; `archive` is the
    name of the zip that it was unpacked from, empty where the file is the user's own (and stays).
    """

    name: str
    place: PurePosixPath
    dataset: str
    path: Path
    stamp: str
    archive: str = ""

    @property
    def own(self) -> bool:
        """Whether it is the user's own file."""
        return not self.archive

    @property
    def alone(self) -> bool:
        """Whether it is all that is imported."""
        return self.dataset == str(self.path.resolve())


@dataclass(frozen=True)
class Instance:
    """A DICOM file, and what the index keeps of it.

    `label` is what the file itself says (empty: nothing known). `subject`, `image` and `day` (YYYYMMDD) are what tables
    of diagnoses may know it by.
    """

    sop: str
    study: str
    series: str
    patient: str
    modality: str
    label: str
    subject: str
    image: str
    day: str
