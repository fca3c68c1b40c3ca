"""Variants by name: one file in a package, one class in the file, found without importing the others."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from trainer.errors import UnknownName

Variant = TypeVar("Variant")
_NOT_VARIANTS = {"registry"}


class Registry(Generic[Variant]):
    """The variants of one `kind` (a word for messages). `local_only.py` in `package` holds the variant `local-only`.

    A file is imported when its variant is asked for: listing names must not cost the import of torch.
    """

    def __init__(self, kind: str, package: str, folder: Sequence[str]) -> None:
        self._kind = kind
        self._package = package
        self._folder = folder
        self._found: dict[str, Callable[[], Variant]] = {}

    def register(self, name: str) -> Callable[[type[Variant]], type[Variant]]:
        """A class decorator: makes the class known by `name`."""

        def keep(variant: type[Variant]) -> type[Variant]:
            self._found[name] = variant
            return variant

        return keep

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        files = {module.name.replace("_", "-") for module in pkgutil.iter_modules(self._folder)}
        return tuple(sorted((files - _NOT_VARIANTS) | self._found.keys()))

    def get(self, name: str) -> Variant:
        """The variant of that name. Raises `UnknownName` with the nearest one."""
        if name not in self.names():
            raise UnknownName(self._kind, name, self.names())
        if name not in self._found:
            importlib.import_module(f"{self._package}.{name.replace('-', '_')}")
        return self._found[name]()
