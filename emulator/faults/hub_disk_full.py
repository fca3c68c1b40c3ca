"""`hub-disk-full`: the hub can't write."""

from typing import ClassVar

from emulator.faults.fault import HUB, Fault, Plan, Scene, Where
from emulator.faults.process import limited, trainers
from emulator.faults.registry import register


@register("hub-disk-full")
class HubDiskFull(Fault):
    """The hub can write to no file any more: models, record and log fail (RLIMIT_FSIZE, so the error is EFBIG and not
    ENOSPC: the disk itself belongs to everybody).
    """

    where: ClassVar[tuple[Where, ...]] = ("hub",)
    takes: ClassVar[str | None] = "the hub's files"

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """A limit, and none."""
        return limited(trainers(HUB), HUB, "FSIZE", 0, self.hold(HUB))
