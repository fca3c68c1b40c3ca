"""The archive behind a gateway, on loopback: a connection for each request, as reverse proxies have it by default.

A kept one would hold one of the archive's few threads while it is idle, and may be closed just when it is needed.
"""

import asyncio
import contextlib
import socket
from asyncio import StreamReader, StreamWriter, Task
from collections.abc import AsyncIterator
from dataclasses import dataclass

from nodes.gateway import wire
from nodes.gateway.messages import Cut, Refused, Request, Response, head

_ROOM = 131_072  # bytes of an answer that wait for the caller to take them
_WINDOW = 1 << 19  # a new connection's own is small, and the archive would wait for it to grow: 0.7 ms a megabyte
_CONNECT_S = 10.0
_SILENT_S = 300.0
_LISTED = 64  # bytes that tell an empty list from another


@dataclass(frozen=True)
class Answer:
    """An answer whose body is still to come. `taken`: whether the whole request has been handed on."""

    response: Response
    reader: StreamReader
    taken: bool


@contextlib.asynccontextmanager
async def asked(port: int, request: Request, content: AsyncIterator[bytes] | None) -> AsyncIterator[Answer]:
    """The archive's answer to a request with its body, if it has one; an answer may come before that is at its end.

    Raises Refused: 502 where the archive does not answer properly, 504 where it is silent, 400 for a broken body.
    """
    reader, writer = await _connected(port)
    handing = asyncio.create_task(_hand_on(request, content, writer)) if content else None
    try:
        if not content:
            writer.write(head(f"{request.method} {request.target} HTTP/1.1", request.fields))
        response = await _answered(request.method, reader, handing)
        yield Answer(response, reader, handing is None or handing.done())
    finally:
        if handing:
            handing.cancel()
            await asyncio.wait([handing])
        writer.transport.abort()


async def _connected(port: int) -> tuple[StreamReader, StreamWriter]:
    own = socket.socket()
    own.setblocking(False)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
    try:
        async with asyncio.timeout(_CONNECT_S):
            await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", port))
            return await asyncio.open_connection(sock=own, limit=_ROOM)
    except (OSError, TimeoutError) as error:
        own.close()
        raise Refused(502, f"the archive does not answer: {error or 'it takes no connection'}") from None


async def _hand_on(request: Request, content: AsyncIterator[bytes], writer: StreamWriter) -> None:
    """Returns also where the archive takes no more: then it has said why, or its silence is noticed. Raises Cut."""
    writer.write(head(f"{request.method} {request.target} HTTP/1.1", request.fields))
    async for piece in content:
        try:
            writer.write(wire.framed(piece, request.framing))
            async with asyncio.timeout(_SILENT_S):
                await writer.drain()
        except (ConnectionError, TimeoutError):
            return
    writer.write(wire.ending(request.framing))


async def _answered(method: str, reader: StreamReader, handing: "Task[None] | None") -> Response:
    answer = asyncio.create_task(wire.response_to(method, reader))
    try:
        if handing:
            await asyncio.wait({handing, answer}, return_when=asyncio.FIRST_COMPLETED)
            if handing.done():
                _body_of_caller(handing)
        async with asyncio.timeout(_SILENT_S):
            return await answer
    except TimeoutError:
        raise Refused(504, f"the archive has not answered for {_SILENT_S:.0f} s") from None
    except (OSError, Cut) as error:
        raise Refused(502, f"the archive did not answer: {error}") from None
    finally:
        answer.cancel()


def _body_of_caller(handing: "Task[None]") -> None:
    try:
        handing.result()
    except Cut as error:
        raise Refused(400, str(error)) from None


async def holds_more(port: int, request: Request) -> bool:
    """Whether a search finds anything (as DICOM JSON)."""
    begin = b""
    async with asked(port, request, None) as answer:
        if answer.response.status != 200:
            return False
        async for piece in wire.body(answer.reader, answer.response.framing, _LISTED):
            begin = b"".join((begin + piece).split())
            if len(begin) > 2:
                break
    return begin not in (b"", b"[]")
