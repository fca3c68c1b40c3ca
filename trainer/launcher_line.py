"""The line between the launcher and the hub: who was born, who died, and sockets to the newborn."""

import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_MESSAGE_BYTES = 65_536
_ONE_SOCKET = socket.CMSG_SPACE(4)

Event = Literal["born", "died", "gone", "stop", "end"]


@dataclass(frozen=True)
class News:
    """`born`: a site's worker is there, with its end of the stage. `died`: it has ended. `gone`: it will not
    come back. `stop`: the training is to end now.

    From the hub: `end`: put an end to a site's worker.
    """

    event: Event
    site: str = ""
    why: str = ""


class Line:
    """One end of the line: a Unix socket that keeps messages whole and carries sockets."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    @classmethod
    def pair(cls) -> tuple["Line", "Line"]:
        """Both ends."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def say(self, news: News, worker: socket.socket | None = None) -> None:
        """Send one message; a born worker's socket travels with it."""
        data = json.dumps([news.event, news.site, news.why]).encode()
        socket.send_fds(self.connection, [data], [worker.fileno()] if worker else [])

    def hear(self) -> Iterator[tuple[News, socket.socket | None]]:
        """All messages that are there now. Raises `ConnectionError` when the other end is gone."""
        while True:
            try:
                # Not socket.recv_fds: Python 3.11's forgets the flags.
                data, control, _, _ = self.connection.recvmsg(_MESSAGE_BYTES, _ONE_SOCKET, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if not data:
                raise ConnectionError("the other end of the line is gone")
            event, site, why = json.loads(data)
            yield News(event, site, why), _socket(control)


def _socket(control: list[tuple[int, int, bytes]]) -> socket.socket | None:
    """The socket that travelled with a message."""
    for _, kind, data in control:
        if kind == socket.SCM_RIGHTS:
            return socket.socket(fileno=int.from_bytes(data[:4], sys.byteorder))
    return None
