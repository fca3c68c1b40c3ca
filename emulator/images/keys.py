"""The key of an image: a digest of all that decides its bytes, but for what the archive of packages holds that day."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from emulator.errors import CannotHere
from emulator.images.definitions import Definition

ANSIBLE = Path(__file__).resolve().parents[2] / "ansible"
_PLAYED = (
    "guest.yml",
    "connection_plugins",
    "roles/guest",
    "roles/packages",
    "roles/orthanc/files",
    "roles/orthanc/tasks",
)
_TOOLS = (("mke2fs", "-V", "e2fsprogs"), ("cc", "--version", "gcc"))


def key_of(definition: Definition) -> str:
    """Raises `CannotHere` where the tools are missing that images are made with."""
    parts = {
        "name": definition.name,
        "suite": definition.suite,
        "tools": _tools(),
        "here": {str(path.relative_to(ANSIBLE.parent)): _digest(path) for path in _ours()},
        "own": {str(path.relative_to(definition.own)): _digest(path) for path in _files(definition.own)}
        if definition.own
        else {},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _ours() -> list[Path]:
    if not ANSIBLE.is_dir():
        raise CannotHere(f"{ANSIBLE} is missing: images are built from a clone of the repository")
    played = [path for name in _PLAYED for path in _files(ANSIBLE / name)]
    return [*played, *_files(Path(__file__).parent)]


def _files(place: Path) -> Iterator[Path]:
    """The files of a folder, or the file itself, but for what Python leaves beside its own."""
    found = sorted(place.rglob("*")) if place.is_dir() else [place]
    return (path for path in found if path.is_file() and path.suffix != ".pyc")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() + f" {path.stat().st_mode & 0o111:o}"


@cache
def _tools() -> dict[str, str]:
    """The versions of what writes file systems and of what compiles the guest's program."""
    return {program: _version(program, option, package) for program, option, package in _TOOLS}


def _version(program: str, option: str, package: str) -> str:
    try:
        told = subprocess.run([program, option], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotHere(f"images can't be built without {program}: apt-get install {package}") from error
    return (told.stdout + told.stderr).splitlines()[0]
