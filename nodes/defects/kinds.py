"""The registry of defects. A kind is one function, found by its name."""

from collections.abc import Callable
from typing import TypeAlias

from pydicom.dataset import FileDataset

from nodes.defects.defect import Defect
from nodes.defects.stacks import Stack
from nodes.errors import UnknownName

InImages: TypeAlias = Callable[[Stack, Defect], None]
InFile: TypeAlias = Callable[[FileDataset, Defect], None]

_in_images: dict[str, InImages] = {}
_in_file: dict[str, InFile] = {}


def in_images(kind: str) -> Callable[[InImages], InImages]:
    """Make a defect known that is in a series before it is encoded (a decorator)."""

    def keep(make: InImages) -> InImages:
        _in_images[kind] = make
        return make

    return keep


def in_file(kind: str) -> Callable[[InFile], InFile]:
    """Make a defect known that is in one file as the archive has encoded it (a decorator)."""

    def keep(make: InFile) -> InFile:
        _in_file[kind] = make
        return make

    return keep


def names() -> tuple[str, ...]:
    """The names of all kinds, sorted."""
    return tuple(sorted(_in_images | _in_file))


def made_in_images(kind: str) -> InImages | None:
    """What makes a defect of that kind in a series; None where it is made in a file. Raises UnknownName."""
    if kind not in names():
        raise UnknownName("defect", kind, names())
    return _in_images.get(kind)


def made_in_file(kind: str) -> InFile | None:
    """The same the other way round. Raises UnknownName."""
    return None if made_in_images(kind) else _in_file[kind]
