"""`pacs-disk-full`: the PACS can't write."""

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.registry import register
from emulator.faults.storage import on_another_disk
from emulator.topology.fields import Measured
from emulator.topology.units import SIZE


@register("pacs-disk-full")
class PacsDiskFull(Fault):
    """The PACS is killed and starts again on a disk that is full: it has all that it had, and can store nothing more.
    At the end it starts again on its own disk; what it could still write meanwhile is gone.
    """

    takes: ClassVar[str | None] = "the PACS's process"

    free: Annotated[int, Measured(replace(SIZE, example="64KiB"), "0B", "1GiB", held=round)] = Field(
        default=0, description="what is left on the disk; usually 0B"
    )

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """A full disk over its own."""
        return replace(on_another_disk(scene, target, "full", self.free), holds=self.hold(target))
