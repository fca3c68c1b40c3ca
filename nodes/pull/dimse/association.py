"""Asking a PACS over an association: finding, getting, moving."""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Self

from nodes.endpoints import Endpoint
from nodes.errors import Busy, Cut, Declined
from nodes.pull.dimse import commands, pdus, syntaxes
from nodes.pull.dimse.commands import Elements
from nodes.pull.dimse.pdus import Accepted, Context
from nodes.pull.dimse.storing import take
from nodes.pull.dimse.wire import Message, Wire, opened
from nodes.pull.intake import Intake
from nodes.tls import caller_context

FIND, MOVE, GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
LEVEL: Final = 0x00080052
_NO_RESOURCES: Final = 0xA702
_MAY_PASS: Final = (0xA700, 0xA701, _NO_RESOURCES)
_LEAST_PDU: Final = 128
_NAMES: Final = {FIND: "C-FIND", MOVE: "C-MOVE", GET: "C-GET"}


class Association:
    """One association with a PACS, of the Study Root models. A context manager, which releases it.

    Raises Declined where the PACS rejects it for good, Busy where for now, Cut where it does not answer.
    """

    def __init__(self, endpoint: Endpoint, services: Sequence[str], classes: Sequence[str], idle_s: float) -> None:
        self._endpoint = endpoint
        self.peer = f"{endpoint.aet} at {endpoint.host}:{endpoint.dimse_port}"
        self._number = 0
        offered = [Context(service, (syntaxes.IMPLICIT,)) for service in services] + syntaxes.storage(classes)
        self.wire = Wire(self._connected(idle_s), self.peer)
        try:
            self._accepted = self._negotiated(offered, classes)
        except BaseException:
            self.wire.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(whole=kind is None)

    def close(self, whole: bool = True) -> None:
        """End it: with good manners where nothing is under way, else at once."""
        try:
            if whole:
                self.wire.send(pdus.pdu(pdus.RELEASE_RQ, bytes(4)))
                self.wire.pdu()
            else:
                self.wire.send(pdus.pdu(pdus.ABORT, bytes(4)))
        except Cut:
            pass  # it has ended by itself
        self.wire.close()

    def _connected(self, idle_s: float) -> socket.socket:
        endpoint = self._endpoint
        if endpoint.dimse_port is None:
            raise Declined(f"{endpoint.site}: it speaks no DIMSE")
        connection = opened(endpoint.host, endpoint.dimse_port, idle_s, endpoint.nodelay, self.peer)
        if endpoint.dimse_tls is None:
            return connection
        try:
            return caller_context(endpoint.dimse_tls).wrap_socket(connection, server_hostname=endpoint.host)
        except ssl.SSLCertVerificationError as error:
            raise Declined(f"{self.peer}: its certificate is not accepted: {error.verify_message}") from error
        except OSError as error:
            raise Cut(f"{self.peer}: TLS: {error}") from error

    def _negotiated(self, offered: Sequence[Context], roles: Sequence[str]) -> dict[int, Accepted]:
        self.wire.send(pdus.associate_rq(self._endpoint.aet, self._endpoint.calling_aet, offered, roles))
        kind, body = self.wire.pdu()
        if kind == pdus.ASSOCIATE_RJ:
            why, later = pdus.rejection(body)
            message = f"{self.peer} rejected the association of {self._endpoint.calling_aet}: {why}"
            raise Busy(message) if later else Declined(message)
        if kind != pdus.ASSOCIATE_AC:
            raise Cut(f"{self.peer} answered our association with a PDU of type {kind}")
        answer = pdus.associated(body)
        if 0 < answer.maximum < _LEAST_PDU:
            raise Cut(f"{self.peer} takes PDUs of {answer.maximum} bytes at most, in which no command fits")
        self.wire.largest = answer.maximum
        return {
            number: Accepted(offered[number // 2].abstract, syntax)
            for number, (result, syntax) in answer.results.items()
            if result == 0 and number % 2 and number // 2 < len(offered)
        }

    def has(self, service: str) -> bool:
        """Whether the PACS accepted a service."""
        return any(context.abstract == service for context in self._accepted.values())

    def find(self, level: str, keys: Mapping[int, str]) -> Iterator[Elements]:
        """What a C-FIND gives."""
        self._ask(FIND, commands.FIND_RQ, level, keys)
        for message in self._answers(FIND):
            if message.has_data:
                yield commands.decoded(self.wire.data())

    def get(self, level: str, keys: Mapping[int, str], intake: Intake) -> Elements:
        """C-GET, to the store; the final response's elements, where it is no refusal of all."""
        self._ask(GET, commands.GET_RQ, level, keys)
        with intake.holding.stream() as stream:

            def store(request: Message) -> None:
                take(self.wire, request, self._context(request), intake, stream)

            return self._final(GET, store)

    def move(self, level: str, keys: Mapping[int, str], destination: str, alive: Callable[[], bool]) -> Elements:
        """C-MOVE to `destination`; likewise. The PACS may be silent for as long as it is `alive` elsewhere."""
        self._ask(MOVE, commands.MOVE_RQ, level, keys, destination)
        return self._final(MOVE, None, alive)

    def _context(self, message: Message) -> Accepted:
        if message.context not in self._accepted:
            raise Cut(f"{self.peer} uses presentation context {message.context}, which nobody agreed on")
        return self._accepted[message.context]

    def _ask(self, service: str, field: int, level: str, keys: Mapping[int, str], destination: str = "") -> None:
        context = next((number for number, one in self._accepted.items() if one.abstract == service), None)
        if context is None:
            raise Declined(f"{self.peer} does not offer {_NAMES[service]}")
        self._number = self._number % 65_535 + 1
        asked: dict[int, str | int] = {
            commands.AFFECTED_CLASS: service,
            commands.FIELD: field,
            commands.MESSAGE: self._number,
            commands.PRIORITY: 0,
            commands.DATA: 1,
        }
        if destination:
            asked[commands.DESTINATION] = destination
        self.wire.say(context, commands.command(asked), commands.encoded({LEVEL: level, **keys}))

    def _answers(
        self, service: str, store: Callable[[Message], None] | None = None, alive: Callable[[], bool] | None = None
    ) -> Iterator[Message]:
        """Responses up to the final one, which is the last that comes out; objects in between go to `store`."""
        while True:
            message = self._message(alive)
            field = commands.number(message.command, commands.FIELD)
            if field == commands.STORE_RQ and store is not None:
                store(message)
                continue
            if commands.number(message.command, commands.ANSWERED) != self._number:
                raise Cut(f"{self.peer} answered what nobody asked (command 0x{field:04X})")
            status = commands.number(message.command, commands.STATUS)
            if status not in commands.PENDING:
                if status & 0xF000 != 0xB000 and status and not _none_fitted(service, message):
                    raise self._refusal(service, message)
                yield message
                return
            yield message

    def _final(
        self, service: str, store: Callable[[Message], None] | None, alive: Callable[[], bool] | None = None
    ) -> Elements:
        last: Elements = {}
        for message in self._answers(service, store, alive):
            if message.has_data:
                self.wire.data()  # which objects failed: the listing says it better
            last = message.command
        return last

    def _message(self, alive: Callable[[], bool] | None) -> Message:
        while True:
            try:
                message = self.wire.message()
            except Cut as error:
                if alive is None or not isinstance(error.__cause__, TimeoutError) or not alive():
                    raise
                continue
            if message is None:
                raise Cut(f"{self.peer} wants to end the association in the middle")
            return message

    def _refusal(self, service: str, message: Message) -> Declined | Cut:
        """Out of resources may pass; all else is for good."""
        if message.has_data:
            self.wire.data()
        said = f"{self.peer} answered {_NAMES[service]} with {commands.meaning(message.command)}"
        return Cut(said) if commands.number(message.command, commands.STATUS) in _MAY_PASS else Declined(said)


def _none_fitted(service: str, message: Message) -> bool:
    """Whether a C-GET failed for each object, since none had a presentation context: the list then says which to ask
    for.
    """
    status, failed = (commands.number(message.command, tag) for tag in (commands.STATUS, commands.FAILED))
    return service == GET and status == _NO_RESOURCES and failed > 0
