"""Connections to a PACS under a time limit: none can outlast it, whatever the server does."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from nodes.endpoints import Tls
from nodes.errors import TestbedError
from nodes.tls import caller_context

Connect = Callable[[str, int, float], socket.socket]
"""Host, port, seconds: a TCP connection, or TestbedError or OSError."""


class Line:
    """Opens connections to one PACS, waits `patience_s` for each answer, and cuts them all after `within_s`.

    Thread-safe. `notes` collects findings.
    """

    def __init__(self, connect: Connect, patience_s: float, within_s: float) -> None:
        self._connect = connect
        self.patience_s = patience_s
        self._end = time.monotonic() + within_s
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cutter = threading.Timer(within_s, self._cut)
        self._cutter.daemon = True
        self.notes: dict[str, None] = {}  # an ordered set

    def __enter__(self) -> Self:
        self._cutter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cutter.cancel()
        with self._lock:
            for made in self._open:
                made.close()

    @property
    def left_s(self) -> float:
        """How much time is left, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def note(self, finding: str) -> None:
        """Keep a finding, once."""
        self.notes[finding] = None

    def open(
        self, host: str, port: int, tls: Tls | None = None, certified: bool = True, nodelay: bool = True
    ) -> socket.socket:
        """A connection, with TLS where asked, showing our certificate where `certified`. Raises OSError."""
        patience_s = min(self.patience_s, self.left_s)
        if not patience_s:
            raise TimeoutError("the time for probing was up")
        try:
            made = self._connect(host, port, patience_s)
        except TestbedError as error:
            raise ConnectionError(str(error)) from error
        with self._lock:
            self._open.add(made)
        made.settimeout(patience_s)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
        if tls is None:
            return made
        shown = tls if certified else replace(tls, certificate="")
        secured = caller_context(shown).wrap_socket(made, server_hostname=host)  # takes `made` over
        with self._lock:
            self._open.add(secured)
        return secured

    def close(self, made: socket.socket) -> None:
        """Close a connection of this line."""
        with self._lock:
            self._open.discard(made)
        made.close()

    def _cut(self) -> None:
        with self._lock:
            for made in self._open:
                with contextlib.suppress(OSError):
                    made.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for it; closing alone does not
