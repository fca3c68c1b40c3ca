"""What an import meets: files to look at, images ready to be kept, and why a file was left out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


class LeftOut(Exception):  # noqa: N818 - reads as the sentence it is
    """Why a file is not imported. It goes into the list; the import goes on."""


@dataclass(frozen=True)
class Source:
    """One file. `name` is what the list calls it: its path, or `ARCHIVE!MEMBER`; `place` its path below what is
    imported. `stamp` changes with its content. It can be read at `path` while it is looked at; whether that is the
    user's own file (and stays) says `own`.
    """

    name: str
    place: PurePosixPath
    path: Path
    stamp: str
    own: bool


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


Keep = Callable[[Instance, bytes], None]
"""Takes an image that was made here. (A file that is DICOM already stays a file.)"""
