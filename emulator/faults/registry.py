"""The kinds of faults by name: `link_down.py` in this folder holds `link-down`. Listing them imports none."""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from emulator.errors import WrongInput

if TYPE_CHECKING:
    from emulator.faults.fault import Fault

_NO_KINDS = {"asking", "fault", "port", "process", "registry", "replaying", "storage"}
_kinds: "dict[str, type[Fault]]" = {}

Kind = TypeVar("Kind", bound="type[Fault]")


def register(name: str) -> Callable[[Kind], Kind]:
    """A class decorator: makes a kind known by `name`."""

    def keep(kind: Kind) -> Kind:
        _kinds[name] = kind
        return kind

    return keep


def names() -> tuple[str, ...]:
    """All kinds, sorted."""
    files = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])}
    return tuple(sorted(name.replace("_", "-") for name in files - _NO_KINDS))


def get(name: str) -> "type[Fault]":
    """The kind of that name. Raises `WrongInput` with the nearest one."""
    if name not in names():
        from emulator.topology.words import advice  # which looks up our names

        raise WrongInput(f"no fault is called '{name}'; {advice(name, names())}")
    if name not in _kinds:
        importlib.import_module(f"emulator.faults.{name.replace('-', '_')}")
    return _kinds[name]
