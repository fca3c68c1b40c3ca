"""What flavours that speak DIMSE and nothing else have in common; a flavour adds its server."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

from emulator.places import DIMSE_PORT, Overlay, Service, pacs_address, worker_address
from emulator.topology.resolved import Pacs, Site
from nodes.endpoints import Endpoint
from nodes.errors import Busy, PullFailed, TestbedError, WrongInput
from nodes.pacs.flavours import Filler, PacsAnswer, Reach
from nodes.pacs.habits import Dimse, Habits, Web, aet_of, read, storage_key, writes_of

_PROBE_WITHIN_S = 10.0
_BUSY_FOR_S = 8.0  # dcmqrscp notices the end of an association a second later, qrscp a mere knock 5 s later
_WAYS = ("c-get", "c-move")


@dataclass(frozen=True)
class Entity:
    """The archive as a DICOM application entity; `worker` is the address of the worker."""

    aet: str
    port: int
    worker: str
    dimse: Dimse
    ways: tuple[str, ...] = _WAYS

    @property
    def destination(self) -> str | None:
        """Where it sends the objects of a C-MOVE to WORKER, if it knows that."""
        return self.worker if self.dimse.knows_worker and "c-move" in self.ways else None


def in_its_folder(*argv: str) -> tuple[str, ...]:
    """The command that runs `argv` in the service's own folder, so that it can keep relative paths."""
    return ("/usr/bin/env", "-C", "@FOLDER@", *argv)


def python(entity: Entity, program: str) -> tuple[str, ...]:
    """The start of a command for a server in Python, a file, that has no word of its own for Nagle."""
    launcher = str(files("nodes.pacs").joinpath("without_delay.py"))
    # Without -P the folder of the file would come first, and hide modules that are called as our flavours are.
    quick = (launcher,) if entity.dimse.nodelay else ()
    return (sys.executable, "-P", *quick, program)


class DimseOnly(ABC):
    """A flavour without DICOMweb. Its server works in its service's folder and keeps its storage at `storage` there."""

    name: str
    form: type[Habits] = Habits
    unable: ClassVar[tuple[str, ...]] = ("tls", "idle")
    """Habits of `dimse` that its server can't have."""
    most_studies: ClassVar[int | None] = None

    @abstractmethod
    def server(self, entity: Entity, habits: Habits) -> Service:
        """The server that is this entity, for any place; raises CannotHere."""

    def hurried(self, service: Service) -> Service:
        """The server as it is while it is being filled, where it can be faster then."""
        return service

    def services(self, site: Site, storage: Path | None) -> tuple[Service, ...]:
        """One server, which is ready when its port is."""
        habits = self.habits(site.pacs)
        self._check(site)
        server = self.server(self._entity(site, habits), habits)
        place = f"{site.name}/pacs"
        overlay = None if storage is None else Overlay(lower=str(storage), target="@FOLDER@/storage")
        return (replace(server, name=place, place=place, overlay=overlay),)

    def endpoint(self, site: Site) -> Endpoint:
        """DIMSE alone."""
        entity = self._entity(site, self.habits(site.pacs))
        return Endpoint(
            site=site.name,
            host=pacs_address(site.index),
            dicomweb=None,
            dimse_port=entity.port,
            aet=entity.aet,
            nodelay=entity.dimse.nodelay,
            retrieve=entity.ways,
        )

    def storage_key(self, pacs: Pacs) -> Mapping[str, Any]:
        """How its scanners write, and nothing else."""
        return storage_key(writes_of(pacs))

    def fill(self, storage: Path, port: int, pacs: Pacs) -> AbstractContextManager[Filler]:
        """The same server without its restrictions, filled by C-STORE."""
        from nodes.pacs.dimse_filling import filling

        habits = self.habits(pacs)
        entity = Entity("FILLING", port, "127.0.0.1", Dimse())
        return filling(self.hurried(self.server(entity, habits)), storage, entity.aet)

    def probe(self, site: Site, reach: Reach) -> PacsAnswer:
        """Version and counts, by C-ECHO and C-FIND."""
        from nodes.pacs.dimse import asked  # pynetdicom takes 0.5 s to import: only those who ask pay it

        endpoint = self.endpoint(site)
        until = time.monotonic() + _BUSY_FOR_S
        while True:
            try:
                return asked(reach.connect(endpoint.host, DIMSE_PORT, _PROBE_WITHIN_S), endpoint)
            except Busy:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
            except PullFailed:
                raise
            except (OSError, TestbedError) as error:
                raise PullFailed(
                    f"{site.name}/pacs does not answer at {endpoint.host}:{DIMSE_PORT}: {error}"
                ) from error

    def _entity(self, site: Site, habits: Habits) -> Entity:
        if not habits.dimse:
            raise TypeError("a flavour that speaks DIMSE only has proved its habits before")
        ways = tuple(way for way in habits.retrieve or _WAYS if way in _WAYS)
        return Entity(aet_of(site.name, habits), DIMSE_PORT, worker_address(site.index), habits.dimse, ways)

    def habits(self, pacs: Pacs) -> Habits:
        """The options of a profile; raises WrongInput for what this flavour's server can't do."""
        habits = read(pacs, self.form)
        prefix = f"PACS profile '{pacs.profile}': {self.name}"
        if not habits.dimse:
            raise WrongInput(f"{prefix} speaks DIMSE and nothing else, so that dimse: false leaves nothing")
        if "wado-rs" in (habits.retrieve or ()):
            raise WrongInput(f"{prefix} has no DICOMweb: 'wado-rs' can't be in `retrieve`; it has {', '.join(_WAYS)}")
        if habits.web != Web():
            raise WrongInput(f"{prefix} has no DICOMweb: `web` has nothing to say")
        given = [option for option in self.unable if getattr(habits.dimse, option) != getattr(Dimse(), option)]
        if given:
            raise WrongInput(f"{prefix} can't do dimse: {{{', '.join(given)}}}; take it out, or take another flavour")
        return habits

    def _check(self, site: Site) -> None:
        if any(toxic.on == "dicomweb" for toxic in site.toxics):
            raise WrongInput(f"site '{site.name}': a toxic on 'dicomweb', but {self.name} speaks DIMSE only")
        if self.most_studies is not None and site.cohort.studies > self.most_studies:
            raise WrongInput(
                f"site '{site.name}': {site.cohort.studies} studies, but {self.name} holds at most {self.most_studies}"
            )
