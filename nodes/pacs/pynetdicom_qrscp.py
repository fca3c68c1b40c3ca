"""The archive that pynetdicom ships as an application, `qrscp`: SQLite behind it, one row an instance."""

import math
from contextlib import AbstractContextManager
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from emulator.places import Service
from emulator.topology.resolved import Pacs
from nodes.endpoints import CALLING_AET
from nodes.pacs.dimse_only import DimseOnly, Entity, in_its_folder, python
from nodes.pacs.flavours import Filler, register
from nodes.pacs.habits import Habits

_PDU_BYTES = 16382  # the application's own defaults
_ASSOCIATIONS = 10
_IDLE_S = 30


@cache
def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    return environment.from_string(files("nodes.pacs").joinpath("pynetdicom_qrscp.ini.j2").read_text())


@register("pynetdicom-qrscp")
class PynetdicomQrscp(DimseOnly):
    """pynetdicom's qrscp, with its own database and handlers."""

    name = "pynetdicom-qrscp"
    unable = ("tls",)

    def server(self, entity: Entity, habits: Habits) -> Service:
        """The application, by our launcher."""
        dimse = entity.dimse
        configuration = _template().render(
            aet=entity.aet,
            port=entity.port,
            pdu_bytes=dimse.pdu_bytes or _PDU_BYTES,
            idle_s=_IDLE_S if dimse.idle is None else max(1, math.ceil(dimse.idle)),
            check_called=dimse.check_called,
            callers=CALLING_AET if dimse.check_calling else "",
            associations=dimse.associations or _ASSOCIATIONS,
            ways=" ".join(entity.ways),
            destination=entity.destination,
        )
        launcher = str(files("nodes.pacs").joinpath("pynetdicom_qrscp_launcher.py"))
        return Service(
            name=self.name,
            place=self.name,
            argv=in_its_folder(*python(entity, launcher), "-c", "qrscp.ini"),
            ready_port=entity.port,
            files=(("qrscp.ini", configuration),),
        )

    def fill(self, storage: Path, port: int, pacs: Pacs) -> AbstractContextManager[Filler]:
        """Without its server, which would take ten times as long."""
        from nodes.pacs.pynetdicom_qrscp_filling import placing

        self.habits(pacs)
        return placing(storage)
