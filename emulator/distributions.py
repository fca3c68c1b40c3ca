"""Netem's tables of delays, in a folder of the world's own where its `tc` looks for them (TC_LIB_DIR)."""

from collections.abc import Mapping
from pathlib import Path

from emulator.errors import CannotHere

_FOLDERS = ("/usr/lib/tc", "/usr/share/tc", "/usr/lib64/tc")  # iproute2's own, by distribution
_MULTIARCH = "*/tc/normal.dist"


def lay_out(folder: Path, own: Mapping[str, str]) -> Path:
    """Fill `folder` with the tables that iproute2 brings and with `own` ones (name → content); the folder."""
    folder.mkdir(exist_ok=True)
    for shipped in _shipped().glob("*.dist"):
        if not (folder / shipped.name).exists():
            (folder / shipped.name).symlink_to(shipped)
    for name, content in own.items():
        (folder / f"{name}.dist").write_text(content)
    return folder


def _shipped() -> Path:
    """Raises `CannotHere` where iproute2 has none."""
    for folder in map(Path, _FOLDERS):
        if (folder / "normal.dist").exists():
            return folder
    for found in Path("/usr/lib").glob(_MULTIARCH):
        return found.parent
    raise CannotHere("iproute2's tables of delays (normal.dist) are not there: apt-get install iproute2")
