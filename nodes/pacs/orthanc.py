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
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined, Template

from emulator.places import DICOMWEB_PORT, DIMSE_PORT, Overlay, Service, pacs_address
from emulator.topology.resolved import Site
from nodes.errors import CannotHere, PullFailed, WrongInput
from nodes.pacs.flavours import Filler, PacsAnswer, register

if TYPE_CHECKING:
    from httpx import BaseTransport

_PLUGINS = (
    "/usr/share/orthanc/plugins/libOrthancDicomWeb.so",
    "/usr/lib/orthanc/libOrthancDicomWeb.so",
    "/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so",
)
_START_WITHIN_S = 30.0

OPTIONS: Mapping[str, Any] = {"dimse": True, "tcp_nodelay": True, "http_threads": 4, "storage_cache_mb": 8}
"""What a PACS profile may set, and its defaults. `tcp_nodelay` is about DIMSE: with Nagle's algorithm a C-STORE of 64
slices
takes 50 times longer, as it does in hospitals that have never looked."""


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


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a PACS profile over the defaults; raises WrongInput."""
    for key, value in given.items():
        if key not in OPTIONS:
            raise WrongInput(f"orthanc has no option '{key}'; it has {', '.join(OPTIONS)}")
        kind = type(OPTIONS[key])
        if type(value) is not kind or (kind is int and value < 1):
            wanted = "true or false" if kind is bool else "a number from 1"
            raise WrongInput(f"orthanc's option '{key}' is {value!r}; expected {wanted}")
    return {**OPTIONS, **given}


def _variables(name: str, storage: str, http_port: int, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "aet": name.upper().replace("-", "_")[:16],
        "storage": storage,
        "dicomweb_plugin": _found_plugin(),
        "http_port": http_port,
        "dimse_port": DIMSE_PORT,
        "remote_access": True,
        "dimse": options["dimse"],
        "http_threads": options["http_threads"],
        "storage_cache_mb": options["storage_cache_mb"],
    }


def answered(system: Mapping[str, Any], statistics: Mapping[str, Any]) -> PacsAnswer:
    """What Orthanc's `/system` and `/statistics` say."""
    return PacsAnswer(str(system["Version"]), int(statistics["CountStudies"]), int(statistics["CountInstances"]))


@register("orthanc")
class Orthanc:
    """Orthanc with the DICOMweb plugin alone, SQLite index, DIMSE beside it."""

    name = "orthanc"

    def service(self, site: Site, storage: Path | None) -> Service:
        """Orthanc at `SITE/pacs`, DICOMweb below `/dicom-web/` of its port; the config file is in its own folder."""
        options = _options(site.pacs.options)
        if not options["dimse"] and any(toxic.on == "dimse" for toxic in site.toxics):
            profile = site.pacs.profile
            raise WrongInput(f"site '{site.name}': a toxic on 'dimse', but its PACS '{profile}' has dimse: false")
        configuration = render(_variables(site.name, "@FOLDER@/storage", DICOMWEB_PORT, options))
        return Service(
            name=f"{site.name}/pacs",
            place=f"{site.name}/pacs",
            argv=(_found_program(), "@FOLDER@/orthanc.json"),
            ready_port=DICOMWEB_PORT,
            ready_path="/system",
            files=(("orthanc.json", configuration),),
            env=(("TCP_NODELAY", "1"),) if options["tcp_nodelay"] else (),
            overlay=None if storage is None else Overlay(lower=str(storage), target="@FOLDER@/storage"),
        )

    @contextmanager
    def fill(self, storage: Path, port: int) -> Iterator[Filler]:
        """An Orthanc on 127.0.0.1:`port` that fills `storage`; raises CannotHere when it does not start.

        Its configuration lies beside the storage meanwhile, so that a kill leaves nothing elsewhere.
        """
        from nodes.pacs.orthanc_filling import Running

        options = {**OPTIONS, "dimse": False}
        with tempfile.TemporaryDirectory(prefix="orthanc-", dir=storage.parent) as folder:
            configuration, log = Path(folder, "orthanc.json"), Path(folder, "log")
            configuration.write_text(render(_variables("filling", str(storage), port, options)))
            with log.open("wb") as output:
                argv = [_found_program(), str(configuration)]
                process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            running = Running(process, port, log)
            try:
                running.wait(_START_WITHIN_S)
                yield running
            finally:
                running.stop()

    def probe(self, site: Site, transport: "BaseTransport") -> PacsAnswer:
        """Version and counts, through its administration interface."""
        import httpx
        from pyorthanc import Orthanc as Administration  # 0.5 s to import: only those who ask pay it

        address = f"http://{pacs_address(site.index)}:{DICOMWEB_PORT}"
        try:
            with Administration(address, transport=transport, timeout=10) as orthanc:
                return answered(orthanc.get_system(), orthanc.get_statistics())
        except httpx.HTTPError as error:
            raise PullFailed(f"{site.name}/pacs does not answer at {address}: {error}") from error
