"""Runs pynetdicom's application `qrscp` with an application entity as strict as a profile asks; the rest is its own.

A program of its own, started by its path with `-c FILE`: it imports nothing of the testbed.
"""

import sys
from configparser import RawConfigParser
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.apps.qrscp import qrscp
from pynetdicom.association import Association


class Entity(AE):
    """pynetdicom's application entity, with what the configuration says beyond the application's own options."""

    def __init__(self, ae_title: str) -> None:
        super().__init__(ae_title)
        parser = RawConfigParser()
        parser.read(sys.argv[-1])
        said = parser["DEFAULT"]
        self.require_called_aet = said["check_called"] == "True"
        self.require_calling_aet = said["callers"].split()
        self.maximum_associations = int(said["associations"])
        self._refused = tuple(f"- {way[2:].upper()}" for way in ("c-get", "c-move") if way not in said["ways"].split())

    def add_supported_context(self, abstract_syntax: Any, *arguments: Any, **options: Any) -> None:
        """Without the ways of retrieval that the profile does not allow."""
        if not UID(abstract_syntax).name.endswith(self._refused):
            super().add_supported_context(abstract_syntax, *arguments, **options)

    def associate(self, *arguments: Any, **options: Any) -> Association:
        """Call a C-MOVE's destination, without the thread that takes one answer in some thousands for itself.

        Unmended, C-MOVE stops for 30 s then, and gives the rest of the study up.
        """
        made = super().associate(*arguments, **options)
        if made.is_established:
            made._kill = True
            made.join(30)
            made._is_paused = True
        return made


if __name__ == "__main__":
    qrscp.AE = Entity
    qrscp.ConfigParser = RawConfigParser  # else a % in the folder's path would stand for another option's value
    qrscp.main()
