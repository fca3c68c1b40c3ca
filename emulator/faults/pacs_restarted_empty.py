"""`pacs-restarted-empty`: the PACS comes up with nothing in it."""

from dataclasses import replace
from typing import ClassVar

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.registry import register
from emulator.faults.storage import on_another_disk


@register("pacs-restarted-empty")
class PacsRestartedEmpty(Fault):
    """The PACS is killed and starts again on an empty disk, as after a migration that went wrong: it answers, and has
    no study. At the end it starts again on what it had; what was stored meanwhile is gone.
    """

    takes: ClassVar[str | None] = "the PACS's process"

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """An empty disk over its own."""
        return replace(on_another_disk(scene, target, "empty"), holds=self.hold(target))
