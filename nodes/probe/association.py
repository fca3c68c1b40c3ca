"""One association (PS3.8) over a connection that somebody else opened, and the messages (PS3.7) on it.

pynetdicom's `AE` runs an association in threads that poll; fifty of them at once cost more than the PACS that they ask
and blur the milliseconds that a probe is to tell apart. So its codecs are used, and the waiting is the socket's.
"""

import socket
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import Self

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode, encode
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, A_RELEASE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    A_RELEASE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

_IMPLEMENTATION = UID("2.25.302711946253148364213548023487209711")
_OUR_PDU = 16384
_LARGEST = 64 << 20  # no PDU of a PACS in its right mind is as long
_ACCEPTED, _REJECTED, _DATA, _RELEASED, _ABORTED = 2, 3, 4, 6, 7
_MIN_RTT = 148  # where `struct tcp_info` has `tcpi_min_rtt`, in microseconds (linux/tcp.h)
_IS_RESPONSE = 0x8000
_NO_DATA = 0x0101

ECHO, FIND, GET, MOVE, STORE, CANCEL = 0x0030, 0x0020, 0x0010, 0x0021, 0x0001, 0x0FFF
PENDING = (0xFF00, 0xFF01)


class Refused(ConnectionError):  # noqa: N818 - reads as the sentence it is
    """The PACS rejected the association, for a reason in the standard's words."""


class Aborted(ConnectionError):  # noqa: N818 - as above
    """The PACS aborted the association, or ended its connection."""


@dataclass(frozen=True)
class Context:
    """A presentation context to propose; `take` also offers to receive (the SCP's role), as C-GET needs."""

    abstract: str
    syntaxes: tuple[str, ...]
    take: bool = False


@dataclass(frozen=True)
class Message:
    """A message: its command set, and its data as they came, under the context of that number."""

    context: int
    command: Dataset
    data: bytes

    @property
    def status(self) -> int:
        """The status of a response; -1 where it has none."""
        return int(self.command.get("Status") or 0) if "Status" in self.command else -1


class Association:
    """Open when made; released by `release` and cut at the end of its `with`. Raises Refused, OSError and ValueError.

    `accepted` has the transfer syntax of each context that was accepted, by its place among those proposed.
    """

    def __init__(self, made: socket.socket, calling: str, called: str, contexts: Sequence[Context]) -> None:
        self._socket = made
        self._contexts = contexts
        self._sent = 0
        self._values: deque[tuple[int, int, bytes]] = deque()
        made.sendall(_request(calling, called, contexts).encode())
        kind, content = self._pdu()
        if kind == _REJECTED:
            raise _refusal(content)
        if kind != _ACCEPTED:
            raise _strange(kind)
        self._agree(content)

    def _agree(self, content: bytes) -> None:
        answer = A_ASSOCIATE_AC()
        try:
            answer.decode(content)
            agreed = answer.to_primitive()
            self.accepted = {
                ((context.context_id or 1) - 1) // 2: str(context.transfer_syntax[0])
                for context in agreed.presentation_context_definition_results_list
                if context.result == 0
            }
        except Exception as error:  # a codec fed with what a broken server sends may raise anything
            raise ValueError(f"its A-ASSOCIATE-AC can't be read: {error!r}") from error
        self.max_pdu = int(agreed.maximum_length_received or 0)
        self.implementation_class = str(agreed.implementation_class_uid or "")
        version = answer.user_information
        self.implementation = str((version.implementation_version_name if version else None) or "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    @property
    def rtt_s(self) -> float:
        """The shortest round trip that the kernel has seen."""
        told = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return float(struct.unpack_from("=L", told, _MIN_RTT)[0]) / 1e6

    def release(self) -> None:
        """Say goodbye, and wait for the answer."""
        request = A_RELEASE_RQ()
        request.from_primitive(A_RELEASE())
        self._socket.sendall(request.encode())
        while self._pdu()[0] != _RELEASED:
            continue

    def syntax(self, abstract: str) -> tuple[int, str] | None:
        """The first accepted context of an abstract syntax: its place and its transfer syntax."""
        return next(
            ((place, syntax) for place, syntax in sorted(self.accepted.items())
             if self._contexts[place].abstract == abstract),
            None,
        )  # fmt: skip

    def ask(self, field: int, abstract: str, identifier: Dataset | None = None, **command: str) -> Iterator[Message]:
        """Send a request; every message that comes until its final response, which is the last.

        Whoever gets a request in between (C-STORE, in a C-GET) answers it by `answer`.
        """
        found = self.syntax(abstract)
        if found is None:
            raise ValueError(f"no context of {abstract} was accepted")
        place, syntax = found
        self._sent += 1
        self._send(place, _command(field, abstract, self._sent, identifier is not None, **command), identifier, syntax)
        while True:
            message = self._message()
            yield message
            if message.command.get("CommandField", 0) == field | _IS_RESPONSE and message.status not in PENDING:
                return

    def answer(self, request: Message, status: int = 0) -> None:
        """Respond to a C-STORE request."""
        command = Dataset()
        command.AffectedSOPClassUID = request.command.get("AffectedSOPClassUID", "")
        command.CommandField = STORE | _IS_RESPONSE
        command.MessageIDBeingRespondedTo = request.command.get("MessageID", 0)
        command.CommandDataSetType = _NO_DATA
        command.Status = status
        command.AffectedSOPInstanceUID = request.command.get("AffectedSOPInstanceUID", "")
        self._send(request.context, command, None, "")

    def cancel(self, abstract: str) -> None:
        """Ask for no more responses to the last request."""
        command = Dataset()
        command.CommandField = CANCEL
        command.MessageIDBeingRespondedTo = self._sent
        command.CommandDataSetType = _NO_DATA
        if found := self.syntax(abstract):
            self._send(found[0], command, None, "")

    def row(self, message: Message) -> Dataset:
        """The data of a C-FIND response."""
        syntax = UID(self.accepted[message.context])
        try:
            row = decode(BytesIO(message.data), syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
            row.decode()
        except Exception as error:  # as in `_agree`
            raise ValueError(f"a row of a C-FIND can't be read: {error!r}") from error
        return row

    def syntax_of(self, message: Message) -> str:
        """The transfer syntax in which a message's data came."""
        return self.accepted.get(message.context, "")

    def _send(self, place: int, command: Dataset, identifier: Dataset | None, syntax: str) -> None:
        self._fragments(place, _encoded(command, UID("1.2.840.10008.1.2")), is_command=True)
        if identifier is not None:
            self._fragments(place, _encoded(identifier, UID(syntax)), is_command=False)

    def _fragments(self, place: int, content: bytes, is_command: bool) -> None:
        room = min(self.max_pdu or _OUR_PDU, _OUR_PDU) - 6
        for start in range(0, len(content), room):
            piece = content[start : start + room]
            control = is_command | (2 if start + room >= len(content) else 0)
            value = struct.pack(">LBB", len(piece) + 2, 2 * place + 1, control) + piece
            self._socket.sendall(struct.pack(">BBL", _DATA, 0, len(value)) + value)

    def _message(self) -> Message:
        command, data = bytearray(), bytearray()
        wanted = None
        while len(command) + len(data) < _LARGEST:
            context, control, piece = self._value()
            if control & 1:
                command += piece
                if control & 2:
                    wanted = _decoded(bytes(command))
            else:
                data += piece
            with_data = wanted is not None and wanted.get("CommandDataSetType", _NO_DATA) != _NO_DATA
            if wanted is not None and control & 2 and bool(control & 1) != with_data:
                return Message((context - 1) // 2, wanted, bytes(data))
        raise ValueError("a message of more than 64 MiB")

    def _value(self) -> tuple[int, int, bytes]:
        """The next presentation data value: its context, its control header, its bytes."""
        while not self._values:
            kind, content = self._pdu()
            if kind != _DATA:
                raise _strange(kind)
            at = 6
            while at + 6 <= len(content):
                size, context, control = struct.unpack_from(">LBB", content, at)
                self._values.append((context, control, content[at + 6 : at + 4 + size]))
                at += 4 + max(size, 2)
        return self._values.popleft()

    def _pdu(self) -> tuple[int, bytes]:
        head = self._exactly(6)
        size = int.from_bytes(head[2:], "big")
        if size > _LARGEST:
            raise ValueError(f"a PDU of {size} bytes: that is not DICOM")
        return head[0], head + self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            piece = self._socket.recv(count - len(received))
            if not piece:
                raise Aborted("it ended the connection")
            received += piece
        return bytes(received)


def _request(calling: str, called: str, contexts: Sequence[Context]) -> A_ASSOCIATE_RQ:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID("1.2.840.10008.3.1.1.1")
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    primitive.presentation_context_definition_list = [_proposed(place, one) for place, one in enumerate(contexts)]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = _OUR_PDU
    implementation.implementation_class_uid = _IMPLEMENTATION
    taken = sorted({context.abstract for context in contexts if context.take})
    primitive.user_information = [length, implementation, *map(_role, taken)]
    request = A_ASSOCIATE_RQ()
    request.from_primitive(primitive)
    return request


def _proposed(place: int, context: Context) -> PresentationContext:
    proposed = PresentationContext()
    proposed.context_id = 2 * place + 1
    proposed.abstract_syntax = UID(context.abstract)
    proposed.transfer_syntax = [UID(syntax) for syntax in context.syntaxes]
    return proposed


def _role(abstract: str) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = UID(abstract)
    role.scu_role, role.scp_role = True, True
    return role


def _strange(kind: int) -> Exception:
    return Aborted("it aborted the association") if kind == _ABORTED else ValueError(f"it sent a PDU of type {kind}")


def _refusal(content: bytes) -> Refused:
    answer = A_ASSOCIATE_RJ()
    try:
        answer.decode(content)
        return Refused(f"{answer.result_str}, {answer.reason_str}")
    except Exception:  # noqa: BLE001 - a codec fed with what a broken server sends may raise anything
        return Refused("in words that are not the standard's")


def _command(field: int, abstract: str, number: int, with_data: bool, **further: str) -> Dataset:
    command = Dataset()
    command.AffectedSOPClassUID = abstract
    command.CommandField = field
    command.MessageID = number
    if field != ECHO:
        command.Priority = 0
    command.CommandDataSetType = 1 if with_data else _NO_DATA
    for keyword, value in further.items():
        setattr(command, keyword, value)
    return command


def _encoded(data: Dataset, syntax: UID) -> bytes:
    content = encode(data, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    if content is None:
        raise ValueError("a query that can't be encoded")
    if 0x00000100 not in data:
        return content
    return struct.pack("<HHLL", 0, 0, 4, len(content)) + content  # a command set begins with its own length


def _decoded(content: bytes) -> Dataset:
    try:
        command = decode(BytesIO(content), True, True)
        command.decode()
    except Exception as error:  # as in `_agree`
        raise ValueError(f"a command can't be read: {error!r}") from error
    return command
