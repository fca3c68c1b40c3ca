"""Where a release of Orthanc lies on this machine: its program, its plugins, and what they need to start."""

import os
import shutil
from pathlib import Path

from nodes.errors import CannotHere

_FOLDERS = ("usr/share/orthanc/plugins", "usr/lib/orthanc", "usr/local/share/orthanc/plugins")
_PACKAGES = {
    "DicomWeb": "orthanc-dicomweb",
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
        return _plugin(Path("/"), name, f"apt-get install {_PACKAGES[name]}")

    def environment(self) -> tuple[tuple[str, str], ...]:
        """Nothing: the system's own libraries are found by themselves."""
        return ()


class Unpacked:
    """The Orthanc of another suite of Debian: unpacked into a folder, with all its libraries, and never installed."""

    def __init__(self, suite: str) -> None:
        self._suite = suite

    @property
    def root(self) -> Path:
        """Where the host role puts it."""
        return Path(f"/opt/pacs-testbed/orthanc-{self._suite}")

    def program(self) -> tuple[str, ...]:
        """How it is called: by the loader of its own C library. Raises CannotHere where it is missing."""
        loaders = sorted(self.root.glob("usr/lib/*-linux-*/ld-linux*.so.*"))
        if not loaders or not (self.root / "usr/sbin/Orthanc").exists():
            raise CannotHere(f"Debian {self._suite}'s Orthanc is not here (looked in {self.root}); {self._advice}")
        libraries = f"{loaders[0].parent}:{self.root}/usr/lib"
        return (str(loaders[0]), "--library-path", libraries, str(self.root / "usr/sbin/Orthanc"))

    def plugin(self, name: str) -> str:
        """The file of a plugin, by Orthanc's word for it; raises CannotHere where it is missing."""
        return _plugin(self.root, name, self._advice)

    def environment(self) -> tuple[tuple[str, str], ...]:
        """Where it finds DCMTK's dictionaries and character sets, whose paths were those of a system."""
        data = self.root / "usr/share/dcmtk"
        return (("DCMDICTPATH", f"{data}/dicom.dic:{data}/private.dic"), ("DCMICONVPATH", str(data)))

    @property
    def _advice(self) -> str:
        return "./dev install --tests unpacks it there, on a Debian whose archive can be reached"


def _plugin(root: Path, name: str, advice: str) -> str:
    paths = [root / folder / f"libOrthanc{name}.so" for folder in _FOLDERS]
    for path in paths:
        if path.exists():
            return str(path)
    raise CannotHere(
        f"Orthanc's {name} plugin is not installed here (looked for {', '.join(map(str, paths))}); {advice}"
    )
