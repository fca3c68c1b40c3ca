"""An archive on dcmjs-dimse (Georgiadis), DICOM's network in JavaScript: a library, so that the archive is ours."""

import json
from importlib.resources import files
from pathlib import Path

from emulator.places import Service
from nodes.errors import CannotHere, WrongInput
from nodes.pacs.dimse_only import DimseOnly, Entity, in_its_folder
from nodes.pacs.flavours import register
from nodes.pacs.habits import Habits

_FOLDER = Path("/usr/local/lib/pacs-testbed/dcmjs-dimse")
ADVICE = "./dev install --tests installs it, where PyPI and npm's registry can be reached"
_PDU_BYTES = 262144  # the library's own default
_ASSOCIATIONS = 100


def _found() -> Path:
    """The folder with Node.js and the library's modules."""
    if not (_FOLDER / "node").exists():
        raise CannotHere(f"dcmjs-dimse is not installed here (looked in {_FOLDER}); {ADVICE}")
    return _FOLDER


@register("dcmjs-dimse")
class DcmjsDimse(DimseOnly):
    """dcmjs-dimse with files and an index of lines in JSON. It writes what it stores anew."""

    name = "dcmjs-dimse"

    def server(self, entity: Entity, habits: Habits) -> Service:
        """Our program, in node."""
        if habits.writes.syntax == "deflated":
            raise WrongInput("dcmjs-dimse can't read deflated data sets; take another flavour, or another syntax")
        folder = _found()
        dimse = entity.dimse
        configuration = {
            "aet": entity.aet,
            "port": entity.port,
            "pdu_bytes": dimse.pdu_bytes or _PDU_BYTES,
            "associations": dimse.associations or _ASSOCIATIONS,
            "check_called": dimse.check_called,
            "check_calling": dimse.check_calling,
            "ways": entity.ways,
            "nodelay": dimse.nodelay,
            "destination": entity.destination,
        }
        program = str(files("nodes.pacs").joinpath("dcmjs_dimse_server.js"))
        return Service(
            name=self.name,
            place=self.name,
            argv=in_its_folder(str(folder / "node"), program, "dcmjs-dimse.json"),
            ready_port=entity.port,
            files=(("dcmjs-dimse.json", json.dumps(configuration)),),
            env=(("NODE_PATH", str(folder / "node_modules")),),
        )
