"""`pacs-database-damaged`: the PACS's index can't be read."""

from dataclasses import replace
from typing import ClassVar

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.registry import register
from emulator.faults.storage import on_another_disk


@register("pacs-database-damaged")
class PacsDatabaseDamaged(Fault):
    """The PACS is killed and starts again with half of its SQLite database's pages overwritten: it comes up or not, and
    answers or fails, as its software does then. At the end it starts again on what it had.
    """

    takes: ClassVar[str | None] = "the PACS's process"

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """A copy of its disk over its own, and the copy is damaged."""
        return replace(on_another_disk(scene, target, "damaged"), holds=self.hold(target))
