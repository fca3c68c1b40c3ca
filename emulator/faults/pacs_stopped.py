"""`pacs-stopped`: the PACS stands still."""

from typing import ClassVar

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.process import folder_of_pacs, stopped
from emulator.faults.registry import register


@register("pacs-stopped")
class PacsStopped(Fault):
    """The PACS stands still (SIGSTOP): connections are taken and never answered; at the end it goes on where it was."""

    takes: ClassVar[str | None] = "the PACS's process"

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Its process is stopped, and goes on."""
        plan = stopped(folder_of_pacs(scene, target), f"the PACS of {target} does not run")
        return Plan(plan.do, plan.undo, self.hold(target))
