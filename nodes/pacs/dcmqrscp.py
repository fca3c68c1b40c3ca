"""DCMTK's archive, dcmqrscp (Eichelberg et al. 2004, doi:10.1117/12.534853): small, fast, strict about AE titles."""

import shutil
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from emulator.places import Service
from nodes.errors import CannotHere
from nodes.pacs.dimse_only import DimseOnly, Entity, in_its_folder
from nodes.pacs.flavours import register
from nodes.pacs.habits import Habits

_PDU_BYTES = 16384  # the defaults of the package's own configuration
_ASSOCIATIONS = 16
_MOST_STUDIES = 500  # more is refused by the program, which then drops the oldest study for each new one
_SYNTAXES: dict[str, tuple[str, ...]] = {
    "explicit": (),
    "implicit": ("+xi", "-xi"),
    "deflated": ("+xd",),
    "rle": ("+xr", "-xr"),
    "jpeg-lossless": ("+xs", "-xs"),
    "jpeg-ls": ("+xt", "-xt"),
    "jpeg-2000": ("+xv", "-xv"),
}
"""What it takes, and offers to a C-MOVE's destination: uncompressed alone unless told which one else."""


@cache
def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - no HTML
    return environment.from_string(files("nodes.pacs").joinpath("dcmqrscp.cfg.j2").read_text())


def _found_program() -> str:
    found = shutil.which("dcmqrscp")
    if found is None:
        raise CannotHere("DCMTK's dcmqrscp is not installed here (looked in PATH); apt-get install dcmtk")
    return found


@register("dcmqrscp")
class Dcmqrscp(DimseOnly):
    """DCMTK's dcmqrscp. It refuses a wrong called AE title whatever `check_called` says, and stores uncompressed
    images unless the profile `writes` others.
    """

    name = "dcmqrscp"
    most_studies = _MOST_STUDIES

    def server(self, entity: Entity, habits: Habits) -> Service:
        """It has paths relative to its folder in its index, so that the index serves wherever it lies."""
        configuration = _template().render(
            aet=entity.aet,
            port=entity.port,
            pdu_bytes=entity.dimse.pdu_bytes or _PDU_BYTES,
            associations=entity.dimse.associations or _ASSOCIATIONS,
            studies=_MOST_STUDIES,
            destination=entity.destination,
            caller=entity.worker if entity.dimse.check_calling else None,
        )
        # Without --disable-host-lookup it would ask the DNS for the name of each caller.
        options = ["--disable-host-lookup", *_SYNTAXES[habits.writes.syntax]]
        if "c-get" not in entity.ways:
            options.append("--disable-get")
        return Service(
            name=self.name,
            place=self.name,
            argv=in_its_folder(_found_program(), *options, "-c", "dcmqrscp.cfg"),
            ready_port=entity.port,
            files=(("dcmqrscp.cfg", configuration),),
            env=(("TCP_NODELAY", "1"),) if entity.dimse.nodelay else (),
        )
