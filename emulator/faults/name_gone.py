"""`name-gone`: a place's names can't be found."""

from collections.abc import Sequence
from typing import ClassVar

from emulator.faults.fault import HUB, Fault, Plan, Scene, Where
from emulator.faults.registry import register


@register("name-gone")
class NameGone(Fault):
    """The names of a place (SITE, pacs.SITE, worker.SITE; hub) are known nowhere in the world; addresses still work.

    The trainer calls the hub by its address, as all of this world's own traffic does: only who asks for names notices.
    """

    where: ClassVar[tuple[Where, ...]] = ("site", "hub")

    def plan(self, scene: Scene, on: Sequence[str]) -> Plan:
        """The names' lines of the hosts file are hidden."""
        names = [name for target in on for name in _names(target)]
        step = {"op": "hide-names", "names": names, "tag": scene.tag}
        return Plan(({**step, "hide": True},), ({**step, "hide": False},))


def _names(target: str) -> tuple[str, ...]:
    return (HUB,) if target == HUB else (target, f"pacs.{target}", f"worker.{target}")
