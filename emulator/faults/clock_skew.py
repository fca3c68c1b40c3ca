"""`clock-skew`: the clock of a site's PACS is wrong."""

import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from emulator.errors import CannotHere
from emulator.faults.fault import Fault, Plan, Request, Scene
from emulator.faults.process import signalled
from emulator.faults.registry import register
from emulator.machines import Placed, namespace
from emulator.topology.fields import Measured
from emulator.topology.units import DURATION
from emulator.worlds.record import service_folder

_LIBRARY = "faketime/libfaketime.so.1"


@register("clock-skew")
class ClockSkew(Fault):
    """The PACS of the site, and what stands in front of it, start again with a clock that is wrong (libfaketime). Who
    looks at a certificate there, as mutual TLS does, finds it not yet or no longer valid; what is stored gets wrong
    times. The worker's clock is right: it shares its process's libraries with all other workers.
    """

    takes: ClassVar[str | None] = "the PACS's process"

    by: Annotated[float, Measured(replace(DURATION, example="90min"), "1s", "9999999min")] = Field(
        default=3600.0, description="how far the clock is wrong; usually 60min"
    )
    way: Literal["ahead", "behind"] = Field(default="ahead", description="ahead or behind; usually ahead")

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """Every server of the PACS is killed and started with another clock, and at the end with the machine's."""
        scene.pacs(target)
        sign = "+" if self.way == "ahead" else "-"
        skewed = {"LD_PRELOAD": _library(), "FAKETIME": f"{sign}{self.by:.0f}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        do, undo = (tuple(_restarted(scene, target, env)) for env in (skewed, {}))
        return Plan(do, undo, self.hold(target))


def _restarted(scene: Scene, target: str, env: Mapping[str, str]) -> Iterator[Request]:
    servers = [service for service in scene.services if service.place == f"{target}/pacs"]
    folders = {service.name: str(service_folder(scene.folder, service.name)) for service in servers}
    yield from (signalled(signal.SIGKILL, {"folder": folder}) for folder in folders.values())
    for service in servers:
        launch = namespace.launch(Placed(service, Path(folders[service.name]), scene.site(target)))
        yield {"op": "revive", "launches": [replace(launch, env={**launch.env, **env})]}


def _library() -> str:
    found = sorted(Path("/usr/lib").glob(f"*/{_LIBRARY}"))
    if not found:
        raise CannotHere("clock-skew needs libfaketime: apt install faketime")
    return str(found[0])
