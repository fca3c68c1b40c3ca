"""What lies in a baked warehouse, by whose it is: which studies, and how many instances each has."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pydicom

from nodes.pull.identity import identify

FILE = "holdings.json"


class Holdings:
    """Noted while a storage is filled."""

    def __init__(self) -> None:
        self._by_site: dict[str, dict[str, int]] = {}

    def note(self, site: str, archive: bytes) -> None:
        """The files of a zip, all of one study, are a site's. One that is there twice counts once: a PACS keeps one."""
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            contents = [opened.read(name) for name in opened.namelist()]
        study, own = identify(contents[0]).study, self._by_site.setdefault(site, {})
        own[study] = own.get(study, 0) + len({_instance(content) for content in contents})

    def write(self, entry: Path) -> None:
        """Beside the storage of an entry."""
        (entry / FILE).write_text(json.dumps(self._by_site))


def _instance(content: bytes) -> str:
    dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
    return str(dataset.SOPInstanceUID)


def read(entry: Path) -> Mapping[str, Mapping[str, int]]:
    """Instances by study, by the site's name."""
    found: Mapping[str, Mapping[str, int]] = json.loads((entry / FILE).read_text())
    return found
