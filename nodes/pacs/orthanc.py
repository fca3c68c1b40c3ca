"""Orthanc (Jodogne 2018, doi:10.1007/s10278-018-0082-y) with its DICOMweb plugin, as Debian and Ubuntu package it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from jinja2 import Environment, StrictUndefined, Template

from emulator.places import DICOMWEB_PORT, DIMSE_PORT, Overlay, Service, pacs_address
from emulator.topology.fields import Whole
from emulator.topology.resolved import Pacs, Site
from nodes.endpoints import Endpoint
from nodes.errors import CannotHere, PullFailed, WrongInput
from nodes.pacs.flavours import Filler, PacsAnswer, Reach, register
from nodes.pacs.habits import Habits, aet_of, read

_PLUGINS = (
    "/usr/share/orthanc/plugins/libOrthancDicomWeb.so",
    "/usr/lib/orthanc/libOrthancDicomWeb.so",
    "/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so",
)
_START_WITHIN_S = 30.0


class OrthancHabits(Habits):
    """The options of Orthanc's profiles."""

    http_threads: Annotated[int, Whole("a number of threads", 1, 256)] = 4
    storage_cache_mb: Annotated[int, Whole("a number of megabytes", 1, 4096)] = 8


@cache
def _template() -> Template:
    # JSON has no HTML in it: what is put in is escaped by `tojson`, and by nothing else.
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    return environment.from_string(files("nodes.pacs").joinpath("orthanc.json.j2").read_text())


def render(variables: Mapping[str, Any]) -> str:
    """Orthanc's configuration as JSON text, from the template that VMs use too. Every variable of it must be given."""
    return _template().render(variables)


def _found_program() -> str:
    # Debian keeps it in sbin, which an ordinary user's PATH may lack.
    found = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise CannotHere("Orthanc is not installed here (looked in PATH and /usr/sbin); apt-get install orthanc")
    return found


def _found_plugin() -> str:
    for path in _PLUGINS:
        if Path(path).exists():
            return path
    raise CannotHere(
        f"Orthanc's DICOMweb plugin is not installed here (looked for {', '.join(_PLUGINS)}); "
        "apt-get install orthanc-dicomweb"
    )


def _variables(name: str, storage: str, http_port: int, habits: OrthancHabits, dimse: bool) -> dict[str, Any]:
    return {
        "name": name,
        "aet": aet_of(name, habits),
        "storage": storage,
        "dicomweb_plugin": _found_plugin(),
        "http_port": http_port,
        "dimse_port": DIMSE_PORT,
        "remote_access": True,
        "dimse": dimse,
        "http_threads": habits.http_threads,
        "storage_cache_mb": habits.storage_cache_mb,
    }


def answered(system: Mapping[str, Any], statistics: Mapping[str, Any]) -> PacsAnswer:
    """What Orthanc's `/system` and `/statistics` say."""
    return PacsAnswer(str(system["Version"]), int(statistics["CountStudies"]), int(statistics["CountInstances"]))


@register("orthanc")
class Orthanc:
    """Orthanc with the DICOMweb plugin alone, SQLite index, DIMSE beside it."""

    name = "orthanc"

    def services(self, site: Site, storage: Path | None) -> tuple[Service, ...]:
        """Orthanc at `SITE/pacs`, DICOMweb below `/dicom-web/` of its port; the config file is in its own folder."""
        habits = read(site.pacs, OrthancHabits)
        if not habits.dimse and any(toxic.on == "dimse" for toxic in site.toxics):
            profile = site.pacs.profile
            raise WrongInput(f"site '{site.name}': a toxic on 'dimse', but its PACS '{profile}' has dimse: false")
        variables = _variables(site.name, "@FOLDER@/storage", DICOMWEB_PORT, habits, bool(habits.dimse))
        server = Service(
            name=f"{site.name}/pacs",
            place=f"{site.name}/pacs",
            argv=(_found_program(), "@FOLDER@/orthanc.json"),
            ready_port=DICOMWEB_PORT,
            ready_path="/system",
            files=(("orthanc.json", render(variables)),),
            env=(("TCP_NODELAY", "1"),) if habits.dimse and habits.dimse.nodelay else (),
            overlay=None if storage is None else Overlay(lower=str(storage), target="@FOLDER@/storage"),
        )
        return (server,)

    def endpoint(self, site: Site) -> Endpoint:
        """DICOMweb and, unless the profile says no, DIMSE."""
        habits = read(site.pacs, OrthancHabits)
        host = pacs_address(site.index)
        return Endpoint(
            site=site.name,
            host=host,
            dicomweb=f"http://{host}:{DICOMWEB_PORT}/dicom-web/",
            dimse_port=DIMSE_PORT if habits.dimse else None,
            aet=aet_of(site.name, habits),
            nodelay=bool(habits.dimse and habits.dimse.nodelay),
            retrieve=tuple(habits.retrieve or ("wado-rs", "c-get", "c-move")),
        )

    def storage_key(self, pacs: Pacs) -> Mapping[str, Any]:
        """Nothing that a profile may say changes what Orthanc stores."""
        return {}

    @contextmanager
    def fill(self, storage: Path, port: int, pacs: Pacs) -> Iterator[Filler]:
        """An Orthanc on 127.0.0.1:`port` that fills `storage`; raises CannotHere when it does not start.

        Its configuration lies beside the storage meanwhile, so that a kill leaves nothing elsewhere.
        """
        from nodes.pacs.orthanc_filling import Running

        habits = read(pacs, OrthancHabits)
        with tempfile.TemporaryDirectory(prefix="orthanc-", dir=storage.parent) as folder:
            configuration, log = Path(folder, "orthanc.json"), Path(folder, "log")
            configuration.write_text(render(_variables("filling", str(storage), port, habits, dimse=False)))
            with log.open("wb") as output:
                argv = [_found_program(), str(configuration)]
                process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            running = Running(process, port, log)
            try:
                running.wait(_START_WITHIN_S)
                yield running
            finally:
                running.stop()

    def probe(self, site: Site, reach: Reach) -> PacsAnswer:
        """Version and counts, through its administration interface."""
        import httpx
        from pyorthanc import Orthanc as Administration  # 0.5 s to import: only those who ask pay it

        address = f"http://{pacs_address(site.index)}:{DICOMWEB_PORT}"
        try:
            with Administration(address, transport=reach.transport(), timeout=10) as orthanc:
                return answered(orthanc.get_system(), orthanc.get_statistics())
        except httpx.HTTPError as error:
            raise PullFailed(f"{site.name}/pacs does not answer at {address}: {error}") from error
