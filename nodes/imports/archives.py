"""Zips: members are unpacked one by one, and nothing is believed of what an archive says of itself."""

import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nodes.imports.findings import LeftOut, Source
from nodes.imports.sources import BIDS

_MOST_RATIO = 200  # images pack to a half or a tenth; runs of one value to a thousandth
_SMALL_BYTES = 256 * 2**20  # what any archive may unpack to
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
"""What `zipfile` raises at damaged, encrypted and strangely packed members."""


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip does."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def members(archive: Source, room: Path) -> Iterator[Source | tuple[str, LeftOut]]:
    """Each file of an archive, unpacked into `room` while it is looked at; or its name and why it is left out.

    Raises LeftOut for an archive that is damaged, or unpacks to far more than its size.
    """
    with _opened(archive.path) as opened:
        files = [member for member in opened.infolist() if not member.is_dir()]
        _check_sizes(files, archive.path.stat().st_size)
        bids = frozenset(place.parent for member in files if (place := _place(member)).name == BIDS)
        for number, member in enumerate(files):
            yield _member(opened, member, archive, bids, room / f"{number}-{_safe(member.filename)}")


def _place(member: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))


def _dataset(place: PurePosixPath, archive: Source, bids: frozenset[PurePosixPath]) -> str:
    """That of the archive, but for members of a BIDS dataset in it."""
    inner = next((folder for folder in place.parents if folder in bids), None)
    return archive.dataset if inner is None else f"{archive.name}!{inner}"


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _BROKEN as error:
        raise LeftOut(f"a zip that is damaged ({error})") from error


def _safe(name: str) -> str:
    """The end of a member's name, which says what kind of file it is, as a file can be called."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(name).name[-80:])


def count(archive: Path) -> int:
    """How many files are in it; 0 where it is damaged."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return sum(not member.is_dir() for member in opened.infolist())
    except _BROKEN:
        return 0


def _check_sizes(files: list[zipfile.ZipInfo], packed: int) -> None:
    """Their sum, so that members that lie over each other count as often as they would be unpacked."""
    unpacked = sum(member.file_size for member in files)
    if unpacked > max(_SMALL_BYTES, _MOST_RATIO * packed):
        raise LeftOut(
            f"a zip of {packed:,} bytes that unpacks to {unpacked:,}: more than {_MOST_RATIO} times as much is not "
            "unpacked; unpack it yourself if you trust it"
        )


def _member(
    opened: zipfile.ZipFile, member: zipfile.ZipInfo, archive: Source, bids: frozenset[PurePosixPath], target: Path
) -> Source | tuple[str, LeftOut]:
    name = f"{archive.name}!{member.filename}"
    place = _place(member)
    if place.is_absolute() or ".." in place.parts:
        return name, LeftOut("its path climbs out of the archive")
    if member.external_attr >> 28 == 0xA:
        return name, LeftOut("a symbolic link in an archive is not followed")
    stamp = f"{member.file_size}:{member.CRC:08x}"
    try:
        with opened.open(member) as packed, target.open("wb") as file:  # never more than `file_size` bytes
            shutil.copyfileobj(packed, file, 1 << 20)
    except _BROKEN as error:
        target.unlink(missing_ok=True)
        _raise_full(error)
        return name, LeftOut(f"it cannot be unpacked ({error})")
    return Source(name, archive.place / place, _dataset(place, archive, bids), target, stamp, archive.name)


def _raise_full(error: Exception) -> None:
    """A full disk is not the archive's fault."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error
