"""`pacs-slow`: the PACS has too little of its processor."""

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from emulator.faults.fault import Fault, Plan, Scene, Slice
from emulator.faults.process import folder_of_pacs, slowed
from emulator.faults.registry import register


@register("pacs-slow")
class PacsSlow(Fault):
    """The PACS runs for a share of the time only: it is stopped and goes on ten times a second."""

    takes: ClassVar[str | None] = "the PACS's process"

    share: Slice = Field(default=0.1, description="the share of the time that it runs; usually 10%")

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Stopped, in beats."""
        plan = slowed(folder_of_pacs(scene, target), f"the PACS of {target} does not run", self.share)
        return replace(plan, holds=self.hold(target))
