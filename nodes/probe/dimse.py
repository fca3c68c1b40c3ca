"""The DIMSE side of a PACS: whom it talks to, in which contexts, and what its services do."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from pydicom.dataset import Dataset

from nodes.endpoints import Endpoint
from nodes.probe import finding
from nodes.probe.association import ECHO, GET, MOVE, STORE, Aborted, Association, Context, Refused
from nodes.probe.capabilities import Dimse, Find
from nodes.probe.line import Line
from nodes.probe.syntaxes import EXPLICIT, IMPLICIT, NAMES

_VERIFICATION = "1.2.840.10008.1.1"
_MOVE, _GET = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
_MR = "1.2.840.10008.5.1.4.1.1.4"
STORED_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    _MR: "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PET",
    "1.2.840.10008.5.1.4.1.1.4.1": "Enhanced MR",
    "1.2.840.10008.5.1.4.1.1.130": "Enhanced PET",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture",
    "1.2.840.10008.5.1.4.1.1.7.2": "Multi-frame SC",
}
_BOTH = (EXPLICIT, IMPLICIT)
_ECHOES = (Context(_VERIFICATION, (IMPLICIT, EXPLICIT)), Context(_VERIFICATION, _BOTH))
_CONTEXTS = (
    *_ECHOES,
    *(Context(service, _BOTH) for service in (finding.STUDY_ROOT_FIND, _MOVE, _GET)),
    *(Context(sop_class, _BOTH) for sop_class in STORED_CLASSES),
    *(Context(_MR, (syntax,)) for syntax in NAMES),
)
_MR_FROM = len(_CONTEXTS) - len(NAMES)
SECOND_S = 1.5
_STRANGER = "PROBE_STRANGER"
_TRIES = 3
_ROUND_TRIPS = 4  # more than a C-GET of one instance needs
_STALL_S = 0.03
"""Linux delays an acknowledgement by 40 ms where nothing is to be sent; Nagle's algorithm then waits for it."""

T = TypeVar("T")
_BROKEN = (OSError, ValueError)


class _Caller:
    def __init__(self, line: Line, endpoint: Endpoint) -> None:
        self.line = line
        self.endpoint = endpoint
        self.tls: str | None = None

    def call(
        self, contexts: tuple[Context, ...] = _ECHOES, calling: str = "", called: str = "", hurry: bool = False
    ) -> Association:
        """An association; `hurry` waits for no answer longer than `SECOND_S`. Raises Refused, OSError, ValueError."""
        end = self.endpoint
        made = self.line.open(end.host, end.dimse_port or 0, end.dimse_tls, nodelay=end.nodelay)
        self.tls = getattr(made, "version", lambda: "none")()
        if hurry:
            made.settimeout(min(SECOND_S, self.line.patience_s))
        try:
            return Association(made, calling or end.calling_aet, called or end.aet, contexts)
        except BaseException:
            self.line.close(made)
            raise

    def tried(self, what: str, act: Callable[[], T]) -> T | None:
        """What an act finds out; None, with a finding, where the connection or the server's messages break."""
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - what a broken server sends may break pydicom in any way
            self.line.note(f"{what}: {error or type(error).__name__}")
            return None

    def served(self, what: str, act: Callable[[], T]) -> T | bool | None:
        """What an act finds out of a service; False, with a finding, where the association is aborted at its request,
        and None where it is not answered."""
        try:
            return act()
        except Aborted as error:
            self.line.note(f"{what}: its context is accepted, but at the first request {error}")
            return False
        except Exception as error:  # noqa: BLE001 - as in `tried`
            self.line.note(f"{what}: {error or type(error).__name__}")
            return None

    def refuses(self, what: str, calling: str = "", called: str = "") -> bool | None:
        """Whether it rejects an association by these titles."""
        try:
            with self.call(calling=calling, called=called) as made:
                made.release()
        except Refused:
            return True
        except _BROKEN as error:
            self.line.note(f"{what}: {error or type(error).__name__}")
            return None
        return False


def ask(line: Line, endpoint: Endpoint) -> Dimse:
    """Everything over DIMSE."""
    caller = _Caller(line, endpoint)
    try:
        with caller.call(_CONTEXTS) as made:
            found, image = _asked(caller, made)
            caller.tried("release", made.release)
    except Refused as error:
        line.note(f"association as {endpoint.calling_aet} with {endpoint.aet}: rejected ({error})")
        return Dimse(answers=True, tls=caller.tls)
    except _BROKEN as error:
        line.note(f"DIMSE at {endpoint.host}:{endpoint.dimse_port}: {error or type(error).__name__}")
        return Dimse(tls=caller.tls)
    if found.get and image is not None:
        got = caller.served("C-GET", lambda: _got(caller, image))
        found = replace(found, **got) if isinstance(got, dict) else replace(found, get=got)
    if found.move and image is not None:
        moved = caller.served("C-MOVE", lambda: _moved(caller, image))
        found = replace(found, **moved) if isinstance(moved, dict) else replace(found, move=moved)
    return replace(
        found,
        checks_called=caller.refuses("association with another called AE title", called=_STRANGER),
        checks_calling=caller.refuses("association with another calling AE title", calling=_STRANGER),
    )


def _asked(caller: _Caller, made: Association) -> tuple[Dimse, Dataset | None]:
    accepted = made.accepted
    classes = tuple(name for uid, name in STORED_CLASSES.items() if made.syntax(uid))
    found = Dimse(
        answers=True,
        tls=caller.tls,
        implementation=made.implementation,
        implementation_class=made.implementation_class,
        max_pdu=made.max_pdu,
        prefers=_preference(accepted.get(0), accepted.get(1)),
        get=made.syntax(_GET) is not None,
        move=made.syntax(_MOVE) is not None,
        store=bool(classes),
        store_classes=classes,
        store_syntaxes=tuple(uid for place, uid in enumerate(NAMES, _MR_FROM) if place in accepted),
        together=_together(caller),
    )
    if made.syntax(_VERIFICATION) is None:
        return replace(found, echo=False), None
    echo_s = caller.tried("C-ECHO", lambda: _echoed(made))
    found = replace(found, echo=None if echo_s is None else True, echo_s=echo_s)
    if made.syntax(finding.STUDY_ROOT_FIND) is None:
        return replace(found, find=Find(studies=False)), None
    find = caller.served("C-FIND", lambda: finding.ask(made, caller.line))
    if isinstance(find, tuple):
        return replace(found, find=find[0]), find[1]
    return replace(found, find=Find(studies=find)), None


def _preference(implicit_first: str | None, explicit_first: str | None) -> str | None:
    """What it chooses where both are offered, by the order in which they are."""
    if implicit_first is None or explicit_first is None:
        return None
    if implicit_first == explicit_first:
        return NAMES.get(implicit_first, implicit_first)
    return "the first offered" if implicit_first == IMPLICIT else "the last offered"


def _together(caller: _Caller) -> bool:
    """Whether a second association is taken while the first is open; a server that lets it wait does not take it."""
    try:
        with caller.call(hurry=True) as second:
            second.release()
    except _BROKEN as error:
        caller.line.note(f"a second association while the first is open: {error or type(error).__name__}")
        return False
    return True


def _echoed(made: Association) -> float:
    started = time.monotonic()
    (message,) = made.ask(ECHO, _VERIFICATION)
    if message.status:
        raise ValueError(f"status {message.status:04X}")
    return time.monotonic() - started


def _moved(caller: _Caller, image: Dataset) -> dict[str, Any]:
    """Sends one instance to where nobody takes it: one that knows the worker's title says something else of it.

    One that says the same of both may know it and call the failure by one status: then nothing is found out.
    """
    with caller.call((Context(finding.STUDY_ROOT_FIND, _BOTH), Context(_MOVE, _BOTH))) as made:
        nowhere, there = (
            list(made.ask(MOVE, _MOVE, _wanted(image), MoveDestination=title))[-1].status
            for title in (_STRANGER, caller.endpoint.calling_aet)
        )
        caller.tried("release", made.release)
    return {"unknown_destination": f"{nowhere:04X}", "knows_worker": there != nowhere or None}


def _got(caller: _Caller, image: Dataset) -> dict[str, Any]:
    """Gets one instance, up to three times where it takes long: the machine may be busy, but a stall is there again."""
    sop_class = str(image.get("SOPClassUID") or _MR)
    contexts = (Context(_GET, _BOTH), *(Context(sop_class, (syntax,), take=True) for syntax in NAMES))
    with caller.call(contexts) as made:
        took: list[float] = []
        while not took or (min(took) > _STALL_S and len(took) < _TRIES):
            started = time.monotonic()
            syntax, status = _get(made, image)
            took.append(time.monotonic() - started)
            if status or not syntax:
                caller.line.note(f"C-GET of one instance: status {status:04X}, {'one' if syntax else 'none'} came")
                return {"get": False}
        rtt_s = made.rtt_s
        caller.tried("release", made.release)
    return {"gives": syntax, "get_s": min(took), "rtt_s": rtt_s, "stalls": min(took) > _STALL_S + _ROUND_TRIPS * rtt_s}


def _get(made: Association, image: Dataset) -> tuple[str, int]:
    """The transfer syntax in which the instance came, and the final status."""
    syntax, status = "", -1
    for message in made.ask(GET, _GET, _wanted(image)):
        if message.command.get("CommandField") == STORE:
            syntax = made.syntax_of(message)
            made.answer(message)
        status = message.status
    return syntax, status


def _wanted(image: Dataset) -> Dataset:
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "IMAGE"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(wanted, keyword, str(image.get(keyword, "")))
    return wanted
