"""HTTP calls over connections that are kept. Blocking.

The standard library's client, not httpx: fifty workers share a machine, and httpx costs each of them 9 MB and 2 ms a
call.
"""

import http.client
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message

TIMEOUT_S = 60.0  # of silence; longer than the hub lets a poll wait
_CHUNK = 65_536
Body = bytes | Sequence[memoryview]


class CallFailed(Exception):  # noqa: N818 - reads as the sentence it is
    """No answer: no way there, or the connection was cut."""


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Message
    body: bytes


class Caller:
    """One server's port. `source` binds connections to one address of this machine."""

    def __init__(self, address: str, port: int, source: str | None) -> None:
        self._where = f"{address}:{port}"
        bound = None if source is None else (source, 0)
        self._connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_S, source_address=bound)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def call(
        self, method: str, path: str, body: Body | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One exchange. Raises `CallFailed`."""
        data = bytearray()
        status, found, chunks = self.stream(method, path, body, headers)
        for chunk in chunks:
            data += chunk
        return Answer(status, found, bytes(data))

    def stream(
        self, method: str, path: str, body: Body | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Message, Iterator[bytes]]:
        """Status, headers, and the body as it comes. Raises `CallFailed`, also while the body is read."""
        try:
            self._send(method, path, body, dict(headers or {}))
            response = self._connection.getresponse()
        except (http.client.HTTPException, OSError) as error:
            raise self._failure(error) from error
        return response.status, response.headers, self._body(response)  # names in any case

    def _send(self, method: str, path: str, body: Body | None, headers: dict[str, str]) -> None:
        """Slice by slice: the time-out then bounds the silence, not the whole of a long upload."""
        if body is None:
            self._connection.request(method, path, headers=headers)
            return
        parts = [body] if isinstance(body, bytes) else body
        slices = (part[start : start + _CHUNK] for part in parts for start in range(0, len(part), _CHUNK))
        self._connection.request(method, path, slices, {**headers, "Content-Length": str(sum(map(len, parts)))})

    def _body(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while chunk := response.read1(_CHUNK):
                yield chunk
            if response.length:  # http.client ends a cut body as if it were whole
                raise http.client.IncompleteRead(b"", response.length)
            response.close()  # of the answer, not of the connection: read1 does not notice the end by itself
        except (http.client.HTTPException, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> CallFailed:
        self.close()
        return CallFailed(f"{self._where}: {type(error).__name__}: {error}")
