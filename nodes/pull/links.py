"""The connections of one worker to one PACS, opened when they are first needed and kept."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from nodes.endpoints import Endpoint
from nodes.errors import Busy, Cut, PullFailed, Unreadable
from nodes.pull.dimse.association import FIND, GET, Association
from nodes.pull.dimse.destination import Destination
from nodes.pull.dimse.query import Finder
from nodes.pull.dimse.syntaxes import MOST_CLASSES, USUAL
from nodes.pull.listing import Entry, Lister, StudyEntry
from nodes.pull.patience import Patience
from nodes.pull.qido import Qido
from nodes.pull.web import Web

Told = TypeVar("Told")


class Links:
    """Close them. One association at most is open at a time: some PACS serve no more."""

    def __init__(self, endpoint: Endpoint, patience: Patience) -> None:
        self.endpoint = endpoint
        self.patience = patience
        self._web: Web | None = None
        self._association: Association | None = None
        self._offered: frozenset[str] = frozenset()
        self._destination: Destination | None = None

    def close(self) -> None:
        """Close them all."""
        if self._web is not None:
            self._web.close()
            self._web = None
        self.hang_up()
        if self._destination is not None:
            self._destination.close()
            self._destination = None

    def hang_up(self, whole: bool = True) -> None:
        """End the association, if there is one."""
        if self._association is not None:
            association, self._association = self._association, None
            association.close(whole)

    @property
    def web(self) -> Web:
        """The HTTP connection."""
        if self._web is None:
            self._web = Web(self.endpoint, self.patience.idle_s)
        return self._web

    def association(self, services: Sequence[str] = (FIND, GET), classes: Sequence[str] = ()) -> Association:
        """An association with these services, on which these classes of objects can come: that which is open, where it
        will do."""
        wanted = frozenset((*services, *classes))
        if self._association is None or not wanted <= self._offered:
            self.hang_up()
            more = [one for one in USUAL if one not in classes] if GET in services else []
            offered = [*classes, *more][:MOST_CLASSES] if GET in services else list(classes)
            self._association = Association(self.endpoint, services, offered, self.patience.idle_s)
            self._offered = frozenset((*services, *offered))
        return self._association

    def destination(self, association: Association) -> Destination:
        """Where C-MOVE's objects come: the move port, on the address from which the PACS is called."""
        if self._destination is None:
            self._destination = Destination(self.endpoint, association.wire.address, self.patience.idle_s)
        return self._destination

    @property
    def listers(self) -> list[Lister]:
        """Whom to ask what there is, the best first."""
        found: list[Lister] = [Qido(self.web)] if self.endpoint.dicomweb else []
        if self.endpoint.dimse_port is not None:
            found.append(Finder(lambda: self.association((FIND, GET))))
        return found

    def studies(self) -> tuple[list[StudyEntry], list[str]]:
        """All studies, from whoever tells them first, and what of the list can't be asked for. Raises PullFailed."""
        return self._told("its studies", lambda lister: lister.studies())

    def instances(self, study: str) -> tuple[list[Entry], list[str]]:
        """All instances of a study, likewise."""
        return self._told(f"the instances of study {study}", lambda lister: lister.instances(study))

    def _told(self, what: str, ask: Callable[[Lister], list[Told]]) -> tuple[list[Told], list[str]]:
        failures: list[PullFailed] = []
        for lister in self.listers:
            try:
                found, odd = ask(lister), [*dict.fromkeys(lister.odd.told)]
                if odd and not found:
                    raise Unreadable(odd[0])
                return found, odd
            except PullFailed as error:
                self.hang_up(whole=False)
                failures.append(error)
        if len(failures) == 1:
            raise failures[0]
        said = "; ".join(map(str, failures)) or "it speaks neither DICOMweb nor DIMSE"
        message = f"the PACS does not list {what}: {said}"
        if busy := [error.after_s or 0.0 for error in failures if isinstance(error, Busy)]:
            raise Busy(message, max(busy))
        raise (Cut if any(isinstance(error, Cut) for error in failures) else PullFailed)(message)
