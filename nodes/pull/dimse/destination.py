"""The worker's own port, where a PACS brings the objects of a C-MOVE."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, Self

from nodes.endpoints import Endpoint
from nodes.errors import Cut, Declined, PullFailed, TestbedError
from nodes.pull.dimse import commands, pdus, syntaxes
from nodes.pull.dimse.pdus import Accepted, Associate
from nodes.pull.dimse.storing import take
from nodes.pull.dimse.wire import Message, Wire
from nodes.pull.intake import Intake
from nodes.pull.store import Stream

_ECHO: Final = "1.2.840.10008.1.1"
_TLS_HANDSHAKE: Final = b"\x16"


class Destination:
    """A storage SCP on `address` and the endpoint's move port. Close it.

    A PACS may bring objects one by one, each in an association of its own, or several at the same time, or keep one
    association for the next study. Raises Declined where the port is taken.
    """

    def __init__(self, endpoint: Endpoint, address: str, idle_s: float) -> None:
        self._endpoint = endpoint
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._wires: set[Wire] = set()
        self._threads: list[threading.Thread] = []
        self._intake: Intake | None = None
        self._trouble: TestbedError | None = None
        self._idle: list[Stream] = []  # of associations that have ended: some PACS open one for each object
        self.called = False
        """Whether the PACS has connected, since the last `bringing` began or at all."""
        try:
            self._listener = socket.create_server((address, endpoint.move_port), backlog=16)
        except OSError as error:
            raise Declined(f"port {endpoint.move_port}, where C-MOVE brings objects, can't be had: {error}") from error
        self._start(self._accept)

    def close(self) -> None:
        """No more comes."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the one who accepts
        self._listener.close()
        self._threads[0].join()
        with self._lock:
            for wire in self._wires:
                wire.hang_up()
        for thread in self._threads:
            thread.join()

    @contextlib.contextmanager
    def bringing(self, intake: Intake) -> Iterator[None]:
        """What comes within goes to this intake. What has kept objects from being stored here is raised at the end:
        a full disk, for one, is no fault of the PACS."""
        with self._lock:
            self._intake, self._trouble, self.called = intake, None, False
        try:
            yield
        finally:
            with self._lock:
                self._intake = None
                trouble = self._trouble
                idle, self._idle = self._idle, []
            for stream in idle:
                stream.close()
        if trouble is not None:
            raise trouble

    def stream(self, intake: Intake) -> Stream:
        """Where an association may write: where an earlier one has, if that has ended."""
        with self._lock:
            if intake is self._intake and self._idle:
                return self._idle.pop()
        return intake.holding.stream()

    def give_back(self, intake: Intake, stream: Stream) -> None:
        """An association has ended, or goes on with another intake. What it was in the middle of is worth nothing."""
        stream.abort()
        with self._lock:
            if intake is self._intake:
                self._idle.append(stream)
                return
        stream.close()

    def alive(self) -> bool:
        """Whether anything came within the time that a PACS may be silent."""
        with self._lock:
            return any(time.monotonic() - wire.heard < self._idle_s for wire in self._wires)

    def _start(self, what: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            self.called = True
            self._threads = [self._threads[0], *(thread for thread in self._threads[1:] if thread.is_alive())]
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        """One association. That it ends, whenever it likes, is told by the C-MOVE that it belongs to."""
        with connection:
            try:
                connection.settimeout(self._idle_s)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self._endpoint.nodelay)
                wire = Wire(self._secured(connection), f"the C-MOVE of {self._endpoint.aet}")
                with self._lock:
                    self._wires.add(wire)
                try:
                    self._associated(wire)
                finally:
                    with self._lock:
                        self._wires.discard(wire)
                    wire.close()
            except (PullFailed, OSError):
                pass
            except TestbedError as error:
                self._trouble = error

    def _secured(self, connection: socket.socket) -> socket.socket:
        """With TLS where the PACS begins so and there is a certificate to show."""
        tls = self._endpoint.dimse_tls
        if tls is None or not tls.certificate or connection.recv(1, socket.MSG_PEEK) != _TLS_HANDSHAKE:
            return connection
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.authority)
        context.load_cert_chain(tls.certificate, tls.key or None)
        return context.wrap_socket(connection, server_side=True)

    def _associated(self, wire: Wire) -> None:
        kind, body = wire.pdu()
        if kind != pdus.ASSOCIATE_RQ:
            raise Cut(f"C-MOVE's association began with a PDU of type {kind}")
        asked = pdus.associated(body)
        chosen = _chosen(asked)
        wire.largest = asked.maximum
        wire.send(pdus.associate_ac(asked, chosen))
        with _Keeping(wire, self) as keeping:
            while (message := wire.message()) is not None:
                field = commands.number(message.command, commands.FIELD)
                if field == commands.ECHO_RQ:
                    _echo(wire, message)
                elif field == commands.STORE_RQ and message.context in chosen:
                    context = Accepted(asked.contexts[message.context].abstract, chosen[message.context])
                    with self._lock:
                        intake = self._intake
                    keeping.take(message, context, intake)
                else:
                    raise Cut(f"C-MOVE's association brought command 0x{field:04X}; expected C-STORE")
        wire.send(pdus.pdu(pdus.RELEASE_RP, bytes(4)))


class _Keeping:
    """What one association brings goes to the intake of the moment."""

    def __init__(self, wire: Wire, destination: Destination) -> None:
        self._wire = wire
        self._destination = destination
        self._intake: Intake | None = None
        self._stream: Stream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def _give_back(self) -> None:
        if self._stream is not None and self._intake is not None:
            self._destination.give_back(self._intake, self._stream)

    def take(self, message: Message, context: Accepted, intake: Intake | None) -> None:
        if intake is None:
            raise Cut("C-MOVE's association brought an object that nobody waits for")
        if self._stream is None or intake is not self._intake:
            self._give_back()
            self._intake, self._stream = intake, self._destination.stream(intake)
        rx, tx = self._wire.rx, self._wire.tx
        try:
            take(self._wire, message, context, intake, self._stream)
        finally:
            intake.carried(self._wire.rx - rx, self._wire.tx - tx)


def _echo(wire: Wire, message: Message) -> None:
    answer: dict[int, str | int] = {
        commands.AFFECTED_CLASS: _ECHO,
        commands.FIELD: commands.ECHO_RSP,
        commands.ANSWERED: commands.number(message.command, commands.MESSAGE),
        commands.DATA: commands.NO_DATA,
        commands.STATUS: 0,
    }
    wire.say(message.context, commands.command(answer))


def _chosen(asked: Associate) -> dict[int, str]:
    """In each context Explicit VR Little Endian where it is offered, else the first syntax that we know."""
    chosen: dict[int, str] = {}
    for number, context in asked.contexts.items():
        known = [one for one in context.syntaxes if one in syntaxes.SYNTAXES]
        if known:
            chosen[number] = syntaxes.EXPLICIT if syntaxes.EXPLICIT in known else known[0]
    return chosen
