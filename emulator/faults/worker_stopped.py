"""`worker-stopped`: the worker stands still."""

from dataclasses import replace
from typing import ClassVar

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.process import nobody, stopped, trainers
from emulator.faults.registry import register


@register("worker-stopped")
class WorkerStopped(Fault):
    """The worker stands still (SIGSTOP), its connections open; at the end it goes on where it was."""

    takes: ClassVar[str | None] = "the worker's process"

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Its process is stopped, and goes on."""
        return replace(stopped(trainers(target), nobody(target)), holds=self.hold(target))
