"""What a profile of Orthanc may say, and what of it Orthanc cannot do."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from emulator.topology.fields import Whole
from emulator.topology.resolved import Pacs
from nodes.errors import WrongInput
from nodes.pacs.habits import Habits, Way, Web, read

_WAYS: tuple[Way, ...] = ("wado-rs", "c-get", "c-move")


class OrthancHabits(Habits):
    """The options of Orthanc's profiles."""

    http_threads: Annotated[int, Whole("a number of threads", 1, 256)] = 4
    storage_cache_mb: Annotated[int, Whole("a number of megabytes", 1, 4096)] = 8
    compression: bool = Field(default=False, description="it keeps its files compressed (zlib)")
    database: Literal["sqlite", "postgresql"] = Field(
        default="sqlite", description="what holds its index; postgresql is a server of the site's own"
    )
    transcoding: bool = Field(
        default=True, description="false: over DIMSE it gives no other transfer syntax than that in which it stores"
    )

    def ways(self) -> tuple[Way, ...]:
        """The ways of retrieval that it allows, and that its services have."""
        return tuple(way for way in self.retrieve or _WAYS if self.dimse or way == "wado-rs")


def checked(pacs: Pacs) -> OrthancHabits:
    """The options of a profile; raises WrongInput with all that Orthanc cannot be told."""
    habits = read(pacs, OrthancHabits)
    problems = [f"PACS profile '{pacs.profile}': {problem}" for problem in _problems(habits)]
    if problems:
        raise WrongInput("; ".join(problems))
    return habits


def _problems(habits: OrthancHabits) -> Iterator[str]:
    if not habits.ways():
        yield f"'retrieve' is {', '.join(habits.retrieve or ())}, and 'dimse: false' leaves none of it"
    if not habits.dimse:
        return
    if habits.dimse.associations is not None:
        # Tried with DicomThreadsCount 1: six associations were served at once; the threads take turns.
        yield "option 'dimse.associations': Orthanc takes any number of them; leave it out, or take another flavour"
    if habits.dimse.idle is not None and (habits.dimse.idle < 1 or habits.dimse.idle % 1):
        yield f"option 'dimse.idle' is {habits.dimse.idle:g}s; Orthanc counts whole seconds, from 1s on"
    if habits.dimse.check_calling and not habits.dimse.knows_worker:
        yield (
            "'dimse.check_calling' with 'knows_worker: false': Orthanc has one list of whom it lets in and of where "
            "it sends, so that the worker could not call it at all; leave one of the two out"
        )


def serves_itself(web: Web) -> bool:
    """Whether Orthanc itself has these habits over HTTP; all others need a gateway in front of it.

    TLS is one of those: Debian 12's Orthanc 1.10.1 has its web server (CivetWeb 1.15) look for functions that OpenSSL 3
    has no longer, and ends at the first HTTPS request.
    """
    return web.auth in ("none", "basic") and web == Web(auth=web.auth)
