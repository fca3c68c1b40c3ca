"""`worker-out-of-memory`: the worker gets no memory."""

from typing import Annotated, ClassVar

from pydantic import Field

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.process import limited, trainers
from emulator.faults.registry import register
from emulator.topology.fields import Measured
from emulator.topology.units import SIZE


@register("worker-out-of-memory")
class WorkerOutOfMemory(Fault):
    """The worker is given no more memory than it has, and a little (RLIMIT_AS): where it asks for more, it fails."""

    takes: ClassVar[str | None] = "the worker's memory"

    room: Annotated[int, Measured(SIZE, "0B", "1TiB", held=round)] = Field(
        default=0, description="what it may still get; usually 0B"
    )

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """A limit, and none."""
        return limited(trainers(target), target, "AS", self.room, self.hold(target))
