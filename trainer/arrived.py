"""How studies lie at the hub that sites have sent there: a store a site, and a list of what is in it once all is."""

import json
from collections.abc import Mapping
from pathlib import Path

from nodes.pull import Store


def store_of(folder: Path, site: str) -> Store:
    """The studies of one site."""
    return Store(folder / site)


def listed(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """The studies of every site that has sent all of them, by its name."""
    return {path.stem: tuple(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))}
