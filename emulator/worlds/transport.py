"""HTTP from inside a place: an httpx transport whose connections the world's agent makes."""

from collections.abc import Callable, Iterable
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

from emulator.errors import WrongState

Connect = Callable[[str, int, float], Any]


class _Stream(httpcore.NetworkStream):
    def __init__(self, made: Any) -> None:
        self._socket = made

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(timeout)
        try:
            data: bytes = self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(timeout)
        try:
            self._socket.sendall(buffer)
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._socket.settimeout(timeout)
        try:
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
        except OSError as error:  # a certificate that is refused is one, too
            self.close()
            raise httpcore.ConnectError(str(error)) from error

    def get_extra_info(self, info: str) -> Any:
        return None


class _Backend(httpcore.NetworkBackend):
    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            return _Stream(self._connect(host, port, timeout or 5.0))
        except (WrongState, OSError) as error:  # refused, too slow, or the world has ended
            raise httpcore.ConnectError(str(error)) from error


class PlaceTransport(httpx.HTTPTransport):
    """httpx's own transport over connections that `connect(host, port, timeout_s)` makes."""

    def __init__(self, connect: Connect, tls: SSLContext | None = None) -> None:
        super().__init__(verify=False)  # its own pool is replaced below; reading certificates for it takes 19 ms
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            network_backend=_Backend(connect),
            max_keepalive_connections=0,  # a kept one may be dead: Orthanc closes them after 0.5 to 1.5 s
        )
