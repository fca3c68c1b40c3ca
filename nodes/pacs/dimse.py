"""Asking a PACS over DIMSE, through a connection that somebody else has opened."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

from nodes.endpoints import Endpoint
from nodes.errors import Busy, PullFailed
from nodes.pacs.flavours import PacsAnswer

VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_PENDING, _SUCCESS = (0xFF00, 0xFF01), 0x0000
_TRANSIENT = 2  # PS3.8, table 9-21
_PATIENCE_S = 30.0
_OUR_NAME = "PACS_TESTBED"


class _Dialled(AssociationSocket):
    """pynetdicom's socket, around a connection that is open already."""

    def __init__(self, association: Association, connection: socket.socket) -> None:
        self._dialled = connection
        super().__init__(association, address=AddressInformation("127.0.0.1", 0))

    def _create_socket(self, address: AddressInformation) -> socket.socket:
        return self._dialled

    def connect(self, primitive: T_CONNECT) -> None:
        """Say that it is open."""
        self._is_connected = True
        primitive.result = "Evt2"  # the standard's name for "transport connection confirmed"
        self.provider_queue.put(primitive)
        self._ready.set()


class _Caller(AE):
    """An application entity that calls through a connection that is open already."""

    def __init__(self, title: str, connection: socket.socket) -> None:
        super().__init__(title)
        self._connection = connection
        self.implementation_version_name = _OUR_NAME
        self.acse_timeout = self.dimse_timeout = self.network_timeout = _PATIENCE_S

    def _create_socket(self, assoc: Association, address: AddressInformation, tls_args: Any) -> AssociationSocket:
        return _Dialled(assoc, self._connection)


@contextmanager
def association(
    connection: socket.socket, endpoint: Endpoint, contexts: Iterable[PresentationContext], calling: str = ""
) -> Iterator[Association]:
    """An association with the PACS at the other end of `connection`, released at the end and the connection closed.

    Raises PullFailed with the PACS' reason where it is refused, Busy where that is for the moment only.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(endpoint.nodelay))
    caller = _Caller(calling or endpoint.calling_aet, connection)
    with connection:
        made = caller.associate(endpoint.host, endpoint.dimse_port or 0, list(contexts), endpoint.aet)
        if not made.is_established:
            raise _refusal(made, endpoint)
        _without_reactor(made)
        try:
            yield made
        finally:
            if made.is_established:
                made.release()


def _without_reactor(made: Association) -> None:
    """End pynetdicom's own reader of messages. It is meant to pause while a `send_…` waits for its answer, but says
    that it does a moment too early, and on a busy machine takes one answer in some thousands (pynetdicom 3.0).
    """
    made._kill = True
    made.join(_PATIENCE_S)
    made._is_paused = True


def _refusal(made: Association, endpoint: Endpoint) -> PullFailed:
    who = f"{endpoint.site}/pacs ({endpoint.aet}) took no association"
    answer = made.acceptor.primitive
    if made.is_rejected and answer is not None:
        kind = Busy if answer.result == _TRANSIENT else PullFailed
        return kind(f"{who}: {answer.result_str}, {answer.reason_str}")
    if made.is_aborted:
        return Busy(f"{who}: it ended the connection")  # as dcmqrscp may, when the last caller has just gone
    return PullFailed(f"{who}: no context in common")


def asked(connection: socket.socket, endpoint: Endpoint, calling: str = "") -> PacsAnswer:
    """What the PACS at the other end of `connection` is and holds: by C-ECHO and C-FIND.

    Its version is the implementation version name that it gives. Raises PullFailed.
    """
    contexts = [build_context(VERIFICATION), build_context(STUDY_ROOT_FIND)]
    with association(connection, endpoint, contexts, calling) as made:
        status = made.send_c_echo()
        if status.get("Status") != _SUCCESS:
            raise PullFailed(f"{endpoint.site}/pacs answered a C-ECHO with {_told(status)}")
        version = made.acceptor.implementation_version_name or str(made.acceptor.implementation_class_uid)
        if version == _OUR_NAME:  # tiny-pacs gives back whatever it was told
            version = "not told"
        counts = _counts(made, endpoint)
    return PacsAnswer(version, *counts)


def _counts(made: Association, endpoint: Endpoint) -> tuple[int, int]:
    """Studies and instances. Servers differ: one gives a row an instance (qrscp), some don't count, and one makes a
    single row of all studies where it is asked for a count (tiny-pacs). So UIDs are counted, and counts asked apart.
    """
    studies = {row.StudyInstanceUID for row in _rows(made, endpoint, "STUDY", "StudyInstanceUID")}
    rows = _rows(made, endpoint, "STUDY", "StudyInstanceUID", "NumberOfStudyRelatedInstances")
    counts = {row.StudyInstanceUID: row.get("NumberOfStudyRelatedInstances") for row in rows}
    if all(isinstance(count, int) for count in counts.values()):
        return len(studies), sum(int(count) for count in counts.values())
    images = _rows(made, endpoint, "IMAGE", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    return len(studies), len({row.SOPInstanceUID for row in images})


def instances_of(made: Association, endpoint: Endpoint, study: str) -> frozenset[str]:
    """The UIDs of a study's instances. Raises PullFailed."""
    rows = _rows(made, endpoint, "IMAGE", "SeriesInstanceUID", "SOPInstanceUID", study=study)
    return frozenset(str(row.SOPInstanceUID) for row in rows)


def _rows(made: Association, endpoint: Endpoint, level: str, *keys: str, study: str = "") -> Iterator[Dataset]:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for key in keys:
        setattr(query, key, "")
    if study:
        query.StudyInstanceUID = study
    for status, row in made.send_c_find(query, STUDY_ROOT_FIND):
        if status.get("Status") in _PENDING and row is not None:
            yield row
        elif status.get("Status") != _SUCCESS:
            raise PullFailed(f"{endpoint.site}/pacs answered a C-FIND of level {level} with {_told(status)}")


def _told(status: Dataset) -> str:
    if "Status" not in status:
        return "nothing: it ended the association, or took too long"
    return f"status {status.Status:04X}{' ' + status.ErrorComment if 'ErrorComment' in status else ''}"
