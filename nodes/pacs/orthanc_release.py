"""Where a release of Orthanc lies on this machine: its program, its plugins, and what they need to start."""

import os
import shutil
from pathlib import Path

from nodes.errors import CannotHere

_FOLDERS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc", "/usr/local/share/orthanc/plugins")
_PACKAGES = {
    "DicomWeb": "orthanc-dicomweb",
    "Gdcm": "orthanc-gdcm",
    "PostgreSQLIndex": "orthanc-postgresql",
}


class Installed:
    """The Orthanc of this system, as Debian and Ubuntu package it."""

    def program(self) -> tuple[str, ...]:
        """How it is called; raises CannotHere where it is missing."""
        # Debian keeps it in sbin, which an ordinary user's PATH may lack.
        found = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if found is None:
            raise CannotHere("Orthanc is not installed here (looked in PATH and /usr/sbin); apt-get install orthanc")
        return (found,)

    def plugin(self, name: str) -> str:
        """The file of a plugin, by Orthanc's word for it; raises CannotHere where it is missing."""
        paths = [f"{folder}/libOrthanc{name}.so" for folder in _FOLDERS]
        for path in paths:
            if Path(path).exists():
                return path
        raise CannotHere(
            f"Orthanc's {name} plugin is not installed here (looked for {', '.join(paths)}); "
            f"apt-get install {_PACKAGES[name]}"
        )

    def environment(self) -> tuple[tuple[str, str], ...]:
        """Nothing: the system's own libraries are found by themselves."""
        return ()
