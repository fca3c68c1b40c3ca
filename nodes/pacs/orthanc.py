"""Orthanc (Jodogne 2018, doi:10.1007/s10278-018-0082-y) with its DICOMweb plugin, as Debian and Ubuntu package it."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from emulator.places import DICOMWEB_PORT, DIMSE_PORT, Overlay, Service, pacs_address
from emulator.topology.resolved import Pacs, Site
from nodes.endpoints import Endpoint
from nodes.errors import PullFailed, WrongInput
from nodes.pacs import fronting, postgresql
from nodes.pacs import orthanc_settings as settings
from nodes.pacs.flavours import Filler, PacsAnswer, Reach, register
from nodes.pacs.habits import Habits, aet_of, storage_key
from nodes.pacs.orthanc_habits import OrthancHabits, checked, serves_itself
from nodes.pacs.orthanc_release import Installed
from nodes.tls import caller_context

_START_WITHIN_S = 30.0
_ANSWERS_WITHIN_S = 10.0  # beside what its profile says that it thinks first


def answered(system: Mapping[str, Any], statistics: Mapping[str, Any]) -> PacsAnswer:
    """What Orthanc's `/system` and `/statistics` say."""
    return PacsAnswer(str(system["Version"]), int(statistics["CountStudies"]), int(statistics["CountInstances"]))


@register("orthanc")
class Orthanc:
    """Orthanc with the DICOMweb plugin, DIMSE beside it. What else it has and does is in its profile."""

    name = "orthanc"
    release: settings.Release = Installed()
    form: type[Habits] = OrthancHabits

    def services(self, site: Site, storage: Path | None) -> tuple[Service, ...]:
        """Orthanc at `SITE/pacs`, DICOMweb below `/dicom-web/` of its port; the config file is in its own folder."""
        habits = checked(site.pacs)
        if not habits.dimse and any(toxic.on == "dimse" for toxic in site.toxics):
            profile = site.pacs.profile
            raise WrongInput(f"site '{site.name}': a toxic on 'dimse', but its PACS '{profile}' has dimse: false")
        variables = settings.serving(site, habits, self.release)
        open_to_all = not variables["users"] and variables["remote_access"]
        server = Service(
            name=f"{site.name}/pacs",
            place=f"{site.name}/pacs",
            argv=(*self.release.program(), "@FOLDER@/orthanc.json"),
            ready_port=variables["http_port"],
            # Who is not let in sees no 200; Orthanc opens the port as the last thing of all.
            ready_path="/system" if open_to_all else None,
            files=(("orthanc.json", settings.render(variables)), *settings.certificates(site, habits)),
            env=(*self.release.environment(), *_nagle(habits)),
            overlay=None if storage is None else Overlay(lower=str(storage), target="@FOLDER@/storage"),
        )
        database = (postgresql.service(site, storage),) if habits.database == "postgresql" else ()
        services = (server, *database)
        return services if serves_itself(habits.web) else fronting.fronted(site, habits.web, services)

    def endpoint(self, site: Site) -> Endpoint:
        """DICOMweb and DIMSE, unless the profile says no."""
        habits = checked(site.pacs)
        host, ways = pacs_address(site.index), habits.ways()
        root = f"http://{host}:{DICOMWEB_PORT}/dicom-web/"
        endpoint = Endpoint(
            site=site.name,
            host=host,
            dicomweb=root if "wado-rs" in ways else None,
            dimse_port=DIMSE_PORT if habits.dimse else None,
            aet=aet_of(site.name, habits),
            nodelay=bool(habits.dimse and habits.dimse.nodelay),
            retrieve=ways,
            login=settings.login_of(site, habits),
            dimse_tls=settings.caller(site, habits),
        )
        return endpoint if serves_itself(habits.web) else fronting.through_gateway(site, habits.web, endpoint)

    def storage_key(self, pacs: Pacs) -> Mapping[str, Any]:
        """What of a profile changes the bytes on disk: how its scanners write, and whether it compresses."""
        habits = checked(pacs)
        return {
            **storage_key(habits.writes),
            **({"compression": True} if habits.compression else {}),
            **({"database": f"postgresql {postgresql.version()}"} if habits.database == "postgresql" else {}),
        }

    @contextmanager
    def fill(self, storage: Path, port: int, pacs: Pacs) -> Iterator[Filler]:
        """An Orthanc on 127.0.0.1:`port` that fills `storage`; raises CannotHere when it does not start.

        Its configuration lies beside the storage meanwhile, so that a kill leaves nothing elsewhere.
        """
        from nodes.pacs.orthanc_filling import Running

        habits = checked(pacs)
        with tempfile.TemporaryDirectory(prefix="orthanc-", dir=storage.parent) as folder, ExitStack() as before:
            if habits.database == "postgresql":
                before.enter_context(postgresql.filling(storage, Path(folder), settings.database_port(port)))
            configuration, log = Path(folder, "orthanc.json"), Path(folder, "log")
            configuration.write_text(settings.render(settings.filling(str(storage), port, habits, self.release)))
            argv = [*self.release.program(), str(configuration)]
            environment = {**os.environ, **dict(self.release.environment())}
            with log.open("wb") as output:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
                )
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

        endpoint, habits = self.endpoint(site), checked(site.pacs)
        patience_s = _ANSWERS_WITHIN_S + (habits.web.first_byte or 0.0)
        tls = caller_context(endpoint.web_tls) if endpoint.web_tls else None
        address = f"{'https' if tls else 'http'}://{endpoint.host}:{DICOMWEB_PORT}"
        who = endpoint.login
        login: dict[str, Any] = {"username": who.user, "password": who.password} if who and who.user else {}
        if who and who.token:
            login = {"headers": {"Authorization": f"Bearer {who.token}"}}
        try:
            with Administration(address, **login, transport=reach.transport(tls), timeout=patience_s) as orthanc:
                return answered(orthanc.get_system(), orthanc.get_statistics())
        except httpx.HTTPError as error:
            raise PullFailed(f"{site.name}/pacs does not answer at {address}: {error}") from error


def _nagle(habits: OrthancHabits) -> tuple[tuple[str, str], ...]:
    return (("TCP_NODELAY", "1"),) if habits.dimse and habits.dimse.nodelay else ()
