"""`pacs-killed`: the PACS ends without a word."""

import signal
from typing import ClassVar

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.process import folder_of_pacs, revived, signalled
from emulator.faults.registry import register


@register("pacs-killed")
class PacsKilled(Fault):
    """The PACS is killed (SIGKILL): connections are refused; at the end it starts again on what it had stored."""

    takes: ClassVar[str | None] = "the PACS's process"

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Its process is killed, and started again."""
        kill = signalled(signal.SIGKILL, folder_of_pacs(scene, target), f"the PACS of {target} does not run")
        return Plan((kill,), (revived(scene, target),), self.hold(target))
