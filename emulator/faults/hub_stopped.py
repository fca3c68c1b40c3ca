"""`hub-stopped`: the hub stands still."""

from dataclasses import replace
from typing import ClassVar

from emulator.faults.fault import HUB, Fault, Plan, Scene, Where
from emulator.faults.process import nobody, stopped, trainers
from emulator.faults.registry import register


@register("hub-stopped")
class HubStopped(Fault):
    """The hub stands still (SIGSTOP): connections are taken and never answered; at the end it goes on where it was."""

    where: ClassVar[tuple[Where, ...]] = ("hub",)
    takes: ClassVar[str | None] = "the hub's process"

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Its process is stopped, and goes on."""
        return replace(stopped(trainers(HUB), nobody(HUB)), holds=self.hold(HUB))
