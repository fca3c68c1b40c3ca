"""`link-down`: nothing comes through."""

from typing import ClassVar, Literal

from pydantic import Field

from emulator.faults.fault import Fault, Plan, Scene, Where
from emulator.faults.port import rules
from emulator.faults.registry import register

_NOTHING = {"both": (("drop",), ("drop",)), "up": (("drop",), ()), "down": ((), ("drop",))}


@register("link-down")
class LinkDown(Fault):
    """Nothing comes through the access link: every packet is lost without a word, as behind a cable that is cut."""

    where: ClassVar[tuple[Where, ...]] = ("site", "hub")
    of_network: ClassVar[bool] = True

    way: Literal["both", "up", "down"] = Field(
        default="both", description="up: only what the site sends is lost; down: only what is sent to it"
    )

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """All is dropped where the access link meets the WAN."""
        up, down = _NOTHING[self.way]
        return rules(scene, target, number, up=up, down=down)
