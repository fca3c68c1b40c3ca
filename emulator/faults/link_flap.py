"""`link-flap`: the link comes and goes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from emulator.faults.fault import Fault, Pause, Plan, Scene, Where
from emulator.faults.link_down import LinkDown
from emulator.faults.registry import register


@register("link-flap")
class LinkFlap(Fault):
    """The access link comes and goes: nothing comes through for a while, everything for a while, and so on."""

    where: ClassVar[tuple[Where, ...]] = ("site", "hub")
    of_network: ClassVar[bool] = True

    down: Pause = Field(default=2.0, description="how long nothing comes through each time; usually 2s")
    up: Pause = Field(default=3.0, description="how long everything comes through in between; usually 3s")

    def plan(self, scene: Scene, on: Sequence[str]) -> Plan:
        """The link is down, in beats."""
        return replace(LinkDown().plan(scene, on), beat_s=(self.down, self.up))
