"""tiny-pacs (Tuchin 2026) on its own DICOM library, pynetdicom2: SQLite, and files in folders by day."""

import sys
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from emulator.places import Service
from nodes.errors import CannotHere
from nodes.pacs.dimse_only import DimseOnly, Entity, in_its_folder, python
from nodes.pacs.flavours import register
from nodes.pacs.habits import Habits

_FOLDER = Path("/usr/local/lib/pacs-testbed/tiny-pacs")
ADVICE = "./dev install --tests installs it, where PyPI can be reached"
_PDU_BYTES = 65536  # its own default


@cache
def _template() -> Template:
    # JSON has no HTML in it: what is put in is escaped by `tojson`, and by nothing else.
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    return environment.from_string(files("nodes.pacs").joinpath("tiny_pacs.json.j2").read_text())


def _found_folder() -> Path:
    built = (_FOLDER / "pydantic_core").glob(f"*.{sys.implementation.cache_tag}-*.so")
    if not (_FOLDER / "tiny_pacs").is_dir() or not any(built):
        version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        raise CannotHere(f"tiny-pacs is not installed here for {version} (looked in {_FOLDER}); {ADVICE}")
    return _FOLDER


@register("tiny-pacs")
class TinyPacs(DimseOnly):
    """tiny-pacs. It refuses a wrong called AE title whatever `check_called` says, and can't be told to refuse C-GET."""

    name = "tiny-pacs"
    unable = ("tls", "idle", "check_calling", "associations")

    def server(self, entity: Entity, habits: Habits) -> Service:
        """It looks for its files in its storage's folder, wherever that lies."""
        configuration = _template().render(
            aet=entity.aet,
            port=entity.port,
            pdu_bytes=entity.dimse.pdu_bytes or _PDU_BYTES,
            destination=entity.destination,
        )
        launcher = str(files("nodes.pacs").joinpath("tiny_pacs_launcher.py"))
        return Service(
            name=self.name,
            place=self.name,
            argv=in_its_folder(*python(entity, launcher), "run", "-c", "tiny_pacs.json"),
            ready_port=entity.port,
            files=(("tiny_pacs.json", configuration),),
            env=(("PYTHONPATH", str(_found_folder())),),
        )

    def hurried(self, service: Service) -> Service:
        """Without its rests of 50 ms, two of which go into each instance."""
        at = service.argv.index("run")
        return replace(service, argv=(*service.argv[:at], "--hurry", *service.argv[at:]))
