"""`partition`: some sites are cut off from all others."""

from collections.abc import Sequence
from typing import ClassVar

from emulator.faults.fault import Fault, Plan, Scene, Where
from emulator.faults.port import rules
from emulator.faults.registry import register
from emulator.places import subnet


@register("partition")
class Partition(Fault):
    """The places that it is on reach each other, and nothing else: the network falls into two parts."""

    where: ClassVar[tuple[Where, ...]] = ("site", "hub")
    of_network: ClassVar[bool] = True
    joint: ClassVar[bool] = True

    def plan(self, scene: Scene, on: Sequence[str]) -> Plan:
        """What comes from a place of one part and goes to the other is dropped, at each place of this part."""
        nets = f"{{ {', '.join(subnet(scene.index(target)) for target in on)} }}"
        up, down = (f"ip daddr != {nets} drop",), (f"ip saddr != {nets} drop",)
        return Plan.joined([rules(scene, target, number, up=up, down=down) for number, target in enumerate(on)])
