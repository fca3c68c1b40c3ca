"""`mtu-black-hole`: large packets are lost."""

from typing import Annotated, ClassVar

from pydantic import Field

from emulator.faults.fault import Fault, Plan, Scene, Where
from emulator.faults.port import rules
from emulator.faults.registry import register
from emulator.topology.fields import Whole


@register("mtu-black-hole")
class MtuBlackHole(Fault):
    """Packets above a size are lost, and nobody is told: small answers come through and transfers hang, as behind a
    tunnel whose firewall drops the ICMP messages of path MTU discovery.
    """

    where: ClassVar[tuple[Where, ...]] = ("site", "hub")
    of_network: ClassVar[bool] = True

    mtu: Annotated[int, Whole("a number of bytes of an IP packet", 68, 1499)] = Field(
        default=1400, description="the largest IP packet, in bytes, that comes through; usually 1400"
    )

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Both ways."""
        lines = (f"ip length > {self.mtu} drop",)
        return rules(scene, target, number, up=lines, down=lines)
