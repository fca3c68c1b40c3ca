"""`worker-slow`: the worker has too little of its processor."""

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from emulator.faults.fault import Fault, Plan, Scene, Slice
from emulator.faults.process import nobody, slowed, trainers
from emulator.faults.registry import register


@register("worker-slow")
class WorkerSlow(Fault):
    """The worker runs for a share of the time only: it is stopped and goes on ten times a second.

    Its transfers and pulls are slow then. Computing on the emulated clock takes what the compute profile says, as ever.
    """

    takes: ClassVar[str | None] = "the worker's process"

    share: Slice = Field(default=0.1, description="the share of the time that it runs; usually 10%")

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Stopped, in beats."""
        return replace(slowed(trainers(target), nobody(target), self.share), holds=self.hold(target))
