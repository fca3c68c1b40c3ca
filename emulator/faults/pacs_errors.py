"""`pacs-errors`: the PACS answers with errors."""

import sys
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from emulator.faults.fault import Fault, Plan, Request, Scene
from emulator.faults.registry import register
from emulator.inside import refusing
from emulator.places import DICOMWEB_PORT, pacs_address
from emulator.reach import Launch
from emulator.topology.fields import Measured, Whole
from emulator.topology.units import SHARE
from emulator.worlds.record import service_folder

_PORT = 18_042
_STARTS_WITHIN_S = 20.0


@register("pacs-errors")
class PacsErrors(Fault):
    """The PACS's web port answers every request with one HTTP error, for a share of the connections that are opened
    from now on. Its DIMSE port is as it was; where the profile has TLS, callers see no TLS at all.
    """

    takes: ClassVar[str | None] = "the PACS's web port"

    status: Annotated[int, Whole("an HTTP status", 400, 599)] = Field(
        default=503, description="the status of each answer; usually 503"
    )
    share: Annotated[float, Measured(SHARE, "1%", "100%")] = Field(
        default=1.0, description="the share of connections that get it; usually 100%"
    )

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """A server beside the PACS, and connections diverted to it."""
        place, address = scene.pacs(target).place, pacs_address(scene.index(target))
        tag = f"{scene.tag}_{number}"
        folder = str(service_folder(scene.folder, f"{target}/{tag}"))
        argv = (sys.executable, "-I", "-S", str(Path(refusing.__file__)), address, str(_PORT), str(self.status))
        ready = {"place": place, "host": address, "port": _PORT, "path": None, "folder": folder}
        which = "" if self.share >= 1 else f"numgen random mod 1000 < {round(1000 * self.share)} "
        gone = f"add table ip {tag}\ndelete table ip {tag}\n"
        divert = (
            f"{gone}table ip {tag} {{\nchain divert {{\ntype nat hook prerouting priority -100;\n"
            f"tcp dport {DICOMWEB_PORT} {which}redirect to :{_PORT}\n}}\n}}\n"
        )
        do: tuple[Request, ...] = (
            {"op": "make-folder", "folder": folder},
            {"op": "revive", "launches": [Launch(place, argv, folder, {})]},
            {"op": "wait-ready", "within_s": _STARTS_WITHIN_S, **ready},
            _rules(place, divert),
        )
        return Plan(do, (_rules(place, gone), {"op": "stop", "folders": [folder]}), self.hold(target))


def _rules(place: str, text: str) -> Request:
    return {"op": "configure", "steps": [{"place": place, "text": text}]}
