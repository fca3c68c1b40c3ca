"""`hub-killed`: the hub ends without a word."""

import signal
from typing import ClassVar

from emulator.faults.fault import HUB, Fault, Plan, Scene, Where
from emulator.faults.process import nobody, signalled, trainers
from emulator.faults.registry import register


@register("hub-killed")
class HubKilled(Fault):
    """The hub is killed (SIGKILL), and the training with it; `train --resume` goes on with the round that was lost."""

    where: ClassVar[tuple[Where, ...]] = ("hub",)
    lasts: ClassVar[bool] = False

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Its process is killed."""
        return Plan((signalled(signal.SIGKILL, trainers(HUB), nobody(HUB)),))
