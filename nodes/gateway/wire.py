"""HTTP messages from and to streams: never more of a body in memory than a piece."""

import asyncio
from asyncio import StreamReader
from collections.abc import AsyncIterator

from nodes.gateway.messages import (
    TOKEN,
    Cut,
    Fields,
    Framing,
    Refused,
    Request,
    Response,
    chunk_size,
    fields_of,
    request_line,
    request_of,
    response_of,
)

ROOM = 65_536
"""Bytes that a stream of a caller buffers, and so the longest line."""
_LONGEST_TARGET = 16_384
_LONGEST_HEAD = 65_536
_MOST_FIELDS = 100
_EMPTY_LINES = 4
_STALLED_S = 300.0


async def begun(reader: StreamReader) -> bytes:
    """Waits for a request and gives its first byte, empty where the caller has left. Raises Refused for no HTTP.

    What is not a letter can't begin a request: TLS, say, gets its answer before it has sent a whole line.
    """
    for _ in range(_EMPTY_LINES):  # RFC 9112, 2.2: empty lines before a request are passed over
        first = await reader.read(1)
        if first not in (b"\r", b"\n"):
            if first and not TOKEN.match(first):
                raise Refused(400, "this is not HTTP")
            return first
    raise Refused(400, "empty lines instead of a request")


async def request_after(first: bytes, reader: StreamReader) -> Request:
    """The request that begins with a byte. Raises Refused, and Cut where its head has no end."""
    line = first + await _line(reader, 414)
    if len(line) > _LONGEST_TARGET:
        raise Refused(414, f"the request's first line has {len(line)} bytes; at most {_LONGEST_TARGET} are read")
    started = request_line(line)
    return request_of(started, fields_of(await _field_lines(reader)))


async def response_to(method: str, reader: StreamReader) -> Response:
    """The archive's final answer to a request; raises Cut for what is none."""
    while True:
        try:
            line = await _line(reader, 431)
            response = response_of(line, fields_of(await _field_lines(reader)), method)
        except Refused as error:
            raise Cut(f"the archive's answer is no HTTP: {error.why}") from None
        if response.status >= 200:
            return response


async def _field_lines(reader: StreamReader) -> list[bytes]:
    lines: list[bytes] = []
    size = 0
    while (line := await _line(reader, 431)) != b"\r\n":
        lines.append(line)
        size += len(line)
        if len(lines) > _MOST_FIELDS or size > _LONGEST_HEAD:
            raise Refused(431, f"more than {_MOST_FIELDS} header fields, or {_LONGEST_HEAD} bytes of them")
    return lines


async def _line(reader: StreamReader, status: int) -> bytes:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise Refused(status, "a line of the head is too long") from None
    except asyncio.IncompleteReadError:
        raise Cut("the connection ended within a head") from None


async def body(reader: StreamReader, framing: Framing, piece: int) -> AsyncIterator[bytes]:
    """A body, in pieces of at most so many bytes, whatever its framing; raises Cut where it ends too early."""
    if framing == "close":
        while data := await _some(reader, piece):
            yield data
        return
    if framing != "chunked":
        async for data in _exactly(reader, framing, piece):
            yield data
        return
    while size := chunk_size(await _chunk_line(reader)):
        async for data in _exactly(reader, size, piece):
            yield data
        if await _chunk_line(reader) != b"\r\n":
            raise Cut("a chunk is longer than its size")
    for _ in range(_MOST_FIELDS):  # trailer fields: nobody here knows any
        if await _chunk_line(reader) == b"\r\n":
            return
    raise Cut(f"more than {_MOST_FIELDS} fields after a body")


async def _exactly(reader: StreamReader, count: int, piece: int) -> AsyncIterator[bytes]:
    while count:
        data = await _some(reader, min(count, piece))
        if not data:
            raise Cut(f"a body ends {count} bytes too early")
        count -= len(data)
        yield data


async def _some(reader: StreamReader, most: int) -> bytes:
    try:
        async with asyncio.timeout(_STALLED_S):
            return await reader.read(most)
    except TimeoutError:
        raise Cut(f"nothing of a body has come for {_STALLED_S:.0f} s") from None


async def _chunk_line(reader: StreamReader) -> bytes:
    try:
        async with asyncio.timeout(_STALLED_S):
            return await reader.readuntil(b"\n")
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise Cut("a body ends within a chunk") from None


def framed(data: bytes, framing: Framing) -> bytes:
    """A piece of a body as it goes over the wire."""
    return b"%x\r\n%b\r\n" % (len(data), data) if framing == "chunked" else data


def ending(framing: Framing) -> bytes:
    """What ends a body."""
    return b"0\r\n\r\n" if framing == "chunked" else b""


def framing_fields(framing: Framing) -> Fields:
    """How a body's framing is told."""
    if framing == "chunked":
        return Fields([("Transfer-Encoding", "chunked")])
    return Fields([] if framing == "close" else [("Content-Length", str(framing))])
