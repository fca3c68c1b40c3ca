"""`one-way-link`: one direction is lost."""

from typing import ClassVar, Literal

from pydantic import Field

from emulator.faults.fault import Fault, Plan, Scene, Where
from emulator.faults.link_down import LinkDown
from emulator.faults.registry import register


@register("one-way-link")
class OneWayLink(Fault):
    """One direction of the access link is lost: what is sent arrives, and no answer to it ever does."""

    where: ClassVar[tuple[Where, ...]] = ("site", "hub")
    of_network: ClassVar[bool] = True

    lost: Literal["up", "down"] = Field(
        default="down", description="the direction in which nothing comes through: up from the site, or down to it"
    )

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """That direction is down."""
        return LinkDown(way=self.lost).at(scene, target, number)
