"""What a service has in its own folder: its files, and what it has written over its storage."""

import shutil
from pathlib import Path

from emulator.places import Service


def forget_layer(folder: Path) -> None:
    """Remove what a service has written over its storage. An overlay leaves a folder without permission bits behind."""
    if (folder / "work" / "work").exists():
        (folder / "work" / "work").chmod(0o700)
    for layer in (folder / "upper", folder / "work"):
        shutil.rmtree(layer, ignore_errors=True)


def write_files(folder: Path, service: Service) -> None:
    """Write a service's own files, with their place in them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in service.files:
        (folder / name).write_text(content.replace("@FOLDER@", str(folder)))
