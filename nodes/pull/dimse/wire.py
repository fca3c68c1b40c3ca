"""One TCP connection that carries PDUs."""

import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import Final

from nodes.errors import Cut
from nodes.pull.dimse import commands, pdus

_BUFFER: Final = 2 * pdus.LARGEST_PDU
_LARGEST_COMMAND: Final = 2**20
_HEAD: Final = struct.Struct(">BxI")
_PDV: Final = struct.Struct(">IBB")


@dataclass
class Fragment:
    """Some of a message: of its command or of its data set. `data` is to be used before the next one is asked for."""

    context: int
    command: bool
    last: bool
    data: memoryview


@dataclass(frozen=True)
class Message:
    """A command that came, in a context; its data set, where `has_data`, comes next."""

    context: int
    command: commands.Elements

    @property
    def has_data(self) -> bool:
        """Whether a data set follows."""
        return commands.number(self.command, commands.DATA, commands.NO_DATA) != commands.NO_DATA


class Wire:
    """Reads and writes PDUs; close it. `rx` and `tx` count the data of P-DATA, and nothing else; `heard` is when
    something came last.

    Raises Cut where the other side ends or falls silent, or sends what is no PDU: then only a new connection helps.
    """

    def __init__(self, connection: socket.socket, peer: str) -> None:
        self._connection = connection
        self._peer = peer
        self._buffer = memoryview(bytearray(_BUFFER))
        self._start = self._end = 0
        self._left = memoryview(b"")  # of the P-DATA whose fragments are being given
        self.rx = self.tx = 0
        self.heard = time.monotonic()
        self.largest = 0
        """The largest PDU that the other side takes; 0: any."""

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @property
    def address(self) -> str:
        """Ours."""
        return str(self._connection.getsockname()[0])

    def hang_up(self) -> None:
        """End the connection under whoever reads from it."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def send(self, data: bytes) -> None:
        """Write whole PDUs."""
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise Cut(f"{self._peer}: {type(error).__name__}: {error}") from error

    def say(self, context: int, command: bytes, data: bytes = b"") -> None:
        """Send a message, in one write: Nagle's algorithm then has nothing to hold back."""
        self.tx += len(command) + len(data)
        self.send(
            pdus.fragments(context, command, True, self.largest) + pdus.fragments(context, data, False, self.largest)
        )

    def pdu(self) -> tuple[int, memoryview]:
        """The next PDU: its type, and its body, to be used before the next."""
        self._need(_HEAD.size)
        kind, length = _HEAD.unpack_from(self._buffer, self._start)
        if not pdus.ASSOCIATE_RQ <= kind <= pdus.ABORT or length + _HEAD.size > _BUFFER:
            raise Cut(f"{self._peer} sent what is no PDU: type {kind}, {length} bytes")
        self._need(_HEAD.size + length)
        start = self._start + _HEAD.size
        self._start = start + length
        return kind, self._buffer[start : start + length]

    def _need(self, count: int) -> None:
        if self._end - self._start < count and self._start + count > _BUFFER:
            left = self._end - self._start
            self._buffer[:left] = bytes(self._buffer[self._start : self._end])
            self._start, self._end = 0, left
        while self._end - self._start < count:
            if self._start == self._end:
                self._start = self._end = 0
            try:
                got = self._connection.recv_into(self._buffer[self._end :])
            except TimeoutError as error:
                raise Cut(f"{self._peer}: silent for {self._connection.gettimeout():g} s") from error
            except OSError as error:
                raise Cut(f"{self._peer}: {type(error).__name__}: {error}") from error
            if not got:
                raise Cut(f"{self._peer} closed the connection")
            self._end += got
            self.heard = time.monotonic()

    def fragment(self) -> Fragment | None:
        """The next fragment; None where the other side wants to end the association."""
        while not self._left:
            kind, body = self.pdu()
            if kind == pdus.RELEASE_RQ:
                return None
            if kind == pdus.ABORT:
                source, reason = (*body[2:4], 0, 0)[:2]
                raise Cut(f"{self._peer} aborted the association (source {source}, reason {reason})")
            if kind != pdus.P_DATA:
                raise Cut(f"{self._peer} sent a PDU of type {kind} in the middle of an association")
            self._left = body
        if len(self._left) < _PDV.size:
            raise Cut(f"{self._peer} sent a damaged fragment")
        length, context, control = _PDV.unpack_from(self._left)
        if length < 2 or length + 4 > len(self._left):
            raise Cut(f"{self._peer} sent a fragment of {length} bytes in {len(self._left)}")
        data = self._left[_PDV.size : 4 + length]
        self._left = self._left[4 + length :]
        self.rx += len(data)
        return Fragment(context, bool(control & 1), bool(control & 2), data)

    def message(self) -> Message | None:
        """The next command; None where the other side wants to end the association."""
        data = bytearray()
        while True:
            fragment = self.fragment()
            if fragment is None:
                return None
            if not fragment.command:
                raise Cut(f"{self._peer} sent a data set where a command was due")
            data += fragment.data
            if fragment.last:
                return Message(fragment.context, commands.decoded(bytes(data)))
            if len(data) > _LARGEST_COMMAND:
                raise Cut(f"{self._peer} sent a command without an end")

    def data_fragment(self) -> Fragment:
        """The next fragment of a data set."""
        fragment = self.fragment()
        if fragment is None or fragment.command:
            raise Cut(f"{self._peer} ended a data set in the middle")
        return fragment

    def data(self) -> bytes:
        """A whole small data set: an identifier."""
        data = bytearray()
        while True:
            fragment = self.data_fragment()
            data += fragment.data
            if fragment.last:
                return bytes(data)
            if len(data) > _LARGEST_COMMAND:
                raise Cut(f"{self._peer} sent an identifier without an end")


def opened(host: str, port: int, idle_s: float, nodelay: bool, peer: str) -> socket.socket:
    """A TCP connection; raises Cut."""
    try:
        connection = socket.create_connection((host, port), idle_s)
    except OSError as error:
        raise Cut(f"{peer}: {type(error).__name__}: {error}") from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
    return connection
