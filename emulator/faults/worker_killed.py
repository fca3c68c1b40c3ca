"""`worker-killed`: the worker ends without a word."""

import signal
from typing import ClassVar

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.process import nobody, signalled, trainers
from emulator.faults.registry import register


@register("worker-killed")
class WorkerKilled(Fault):
    """The worker is killed (SIGKILL), at once and wholly; the trainer starts another."""

    lasts: ClassVar[bool] = False

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Its process is killed."""
        return Plan((signalled(signal.SIGKILL, trainers(target), nobody(target)),))
