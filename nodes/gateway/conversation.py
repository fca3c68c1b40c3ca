"""One connection of a caller: request after request."""

import asyncio
import contextlib
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator

from nodes.gateway import accepting, archive, judging, wire
from nodes.gateway.archive import Answer
from nodes.gateway.judging import Handed, Peer
from nodes.gateway.messages import Cut, Fields, Framing, Refused, Request, head, status_line
from nodes.gateway.pace import TokenBucket
from nodes.gateway.parts import OnlyPart
from nodes.gateway.settings import Settings

_FIRST_S, _HEAD_S = 75.0, 30.0
_STALLED_S = 300.0
_LINGER_S, _LINGER_BYTES = 2.0, 1 << 24
_PIECE = 131_072
_CHUNK_HEAD = 16  # bytes around a chunk
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, of no time: closing resets
_MORE = (
    '299 pacs-gateway "The number of results exceeded the maximum supported by the server. '
    'Additional results can be requested."'
)


class Conversation:
    """`bucket` is shared with all other callers; `started_s` is the loop's time of the gateway's start."""

    def __init__(
        self,
        settings: Settings,
        bucket: TokenBucket | None,
        started_s: float,
        streams: tuple[StreamReader, StreamWriter],
    ) -> None:
        self._settings, self._bucket, self._started_s = settings, bucket, started_s
        self._reader, self._writer = streams
        self._peer = Peer(self._writer.get_extra_info("peername")[0], self._writer.get_extra_info("peercert"))
        self._asked = False
        self._held = b""  # an answer's head, which goes out with the first piece of its body
        self._open_ended = False  # an answer is under way that only the connection's end can end

    async def run(self) -> None:
        """Until the caller leaves, or is told to."""
        try:
            while await self._exchange():
                pass
            await self._leave()
        except TimeoutError:
            self._writer.transport.abort()  # it takes nothing, and would not take what waits for it either
        except (Cut, OSError):
            if self._open_ended:  # so that what was cut cannot be taken for whole
                self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        finally:
            self._writer.close()

    async def _exchange(self) -> bool:
        """One request and its answer; False: the connection ends now."""
        request = None
        try:
            request = await self._request()
            if request is None:
                return False
            if self._settings.first_byte_s:
                await asyncio.sleep(self._settings.first_byte_s)
            moment_s = asyncio.get_running_loop().time() - self._started_s
            return await self._relay(request, judging.handed(self._settings, request, self._peer, moment_s))
        except Refused as refusal:
            return await self._refuse(refusal, request)
        except (Cut, OSError) as error:
            if not self._held:
                raise
            return await self._refuse(Refused(502, f"the archive's answer has no body: {error}"), request)

    async def _request(self) -> Request | None:
        """The next one; None where none comes in time. A connection is idle between requests, not before the first."""
        try:
            async with asyncio.timeout(self._settings.idle_s if self._asked else _FIRST_S):
                first = await wire.begun(self._reader)
        except TimeoutError:
            return None
        try:
            async with asyncio.timeout(_HEAD_S):
                request = await wire.request_after(first, self._reader) if first else None
                self._asked = True
                return request
        except TimeoutError:
            raise Refused(408, "the request's head takes too long") from None

    async def _relay(self, request: Request, handed: Handed) -> bool:
        content = None
        if request.framing:
            content = wire.body(self._reader, request.framing, _PIECE)
            if request.minor >= 1 and "100-continue" in request.fields.words("expect"):
                self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async with archive.asked(self._settings.archive_port, handed.request, content) as answer:
            more = False
            if handed.beyond and answer.response.status == 200:
                more = await archive.holds_more(self._settings.archive_port, handed.beyond)
            pieces = self._pieces(answer)
            if handed.single and answer.response.status == 200 and _boundary(answer):
                return await self._pass_single(request, answer, pieces)
            fields = answer.response.fields.end_to_end()
            return await self._pass(request, answer, fields + (("Warning", _MORE),) * more, pieces)

    def _pieces(self, answer: Answer) -> AsyncIterator[bytes]:
        size = self._bucket.piece - _CHUNK_HEAD if self._bucket else _PIECE
        pieces = wire.body(answer.reader, answer.response.framing, size)
        boundary = _boundary(answer)
        return _whole(pieces, boundary) if boundary and answer.response.framing == "close" else pieces

    async def _pass(
        self, request: Request, answer: Answer, fields: tuple[tuple[str, str], ...], pieces: AsyncIterator[bytes]
    ) -> bool:
        """An answer as the archive gave it. What only a connection's end would have ended is ended by a chunk."""
        response = answer.response
        framing: Framing = response.framing
        if framing in ("chunked", "close"):
            framing = "chunked" if request.minor >= 1 else "close"
        told = Fields(fields)
        if request.method != "HEAD" and response.status not in (204, 304):
            told = Fields([*told.without(["content-length"]), *wire.framing_fields(framing)])
        keep = request.kept_alive and framing != "close" and answer.taken
        self._begin(response.status, response.reason, told, keep)
        self._open_ended = framing == "close"
        async for piece in pieces:
            await self._send(wire.framed(piece, framing))
        await self._send(wire.ending(framing))
        self._open_ended = False
        return keep

    async def _pass_single(self, request: Request, answer: Answer, pieces: AsyncIterator[bytes]) -> bool:
        """The one part of a multipart answer, as the answer itself."""
        part = OnlyPart(_boundary(answer))
        content = await _begun(part, pieces)
        own = part.fields or Fields()
        length = own.text("content-length")
        whole = int(length) if length.isascii() and length.isdigit() else None
        framing: Framing = whole if whole is not None else "chunked" if request.minor >= 1 else "close"
        kind = own.text("content-type") or accepting.DICOM
        others = answer.response.fields.end_to_end().without(["content-length", "content-type"])
        keep = request.kept_alive and framing != "close"
        fields = Fields([*others, ("Content-Type", kind), *wire.framing_fields(framing)])
        self._begin(answer.response.status, answer.response.reason, fields, keep)
        self._open_ended = framing == "close"
        async for piece in _content(part, content, pieces, whole):
            await self._send(wire.framed(piece, framing))
        await self._send(wire.ending(framing))
        self._open_ended = False
        return keep

    def _begin(self, status: int, reason: str, fields: Fields, keep: bool) -> None:
        connection = ("Connection", "keep-alive" if keep else "close")
        self._held = head(status_line(status, reason), [*fields, connection])

    async def _refuse(self, refusal: Refused, request: Request | None) -> bool:
        """An answer of the gateway's own. A body that was not read is in the way of a next request."""
        keep = request is not None and request.kept_alive and request.framing == 0
        text = f"{refusal.why}\n".encode()
        told = Fields([*refusal.fields, ("Content-Type", "text/plain; charset=utf-8")])
        fields = Fields([*told, *wire.framing_fields(len(text))])
        self._begin(refusal.status, "", fields, keep)
        await self._send(b"" if request and request.method == "HEAD" else text)
        return keep

    async def _send(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        if not data:
            return
        if self._bucket:
            wait_s = self._bucket.take(asyncio.get_running_loop().time(), len(data))
            if wait_s:
                await asyncio.sleep(wait_s)
        self._writer.write(data)
        async with asyncio.timeout(_STALLED_S):
            await self._writer.drain()

    async def _leave(self) -> None:
        """Say that nothing more comes, and take for a moment what the caller still sends: closing over unread bytes
        would reset the connection, and the answer with it.
        """
        if not self._writer.can_write_eof():  # TLS
            return
        self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                rest = _LINGER_BYTES
                while rest > 0 and (data := await self._reader.read(_PIECE)):
                    rest -= len(data)


def _boundary(answer: Answer) -> bytes:
    """Of a multipart answer; empty where it is none."""
    for media in accepting.ranges(answer.response.fields.text("content-type")):
        if media.media.startswith("multipart/"):
            return media.value("boundary").encode("latin-1")
    return b""


async def _whole(pieces: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[bytes]:
    """Raises Cut at the end where that is not a multipart's: an archive that falls closes its connection as any."""
    closing = b"--" + boundary + b"--"
    room = len(closing) + 2
    tail = b""
    async for piece in pieces:
        tail = piece[-room:] if len(piece) >= room else (tail + piece)[-room:]
        yield piece
    if closing not in tail:
        raise Cut("the archive's multipart answer ends in the middle")


async def _begun(part: OnlyPart, pieces: AsyncIterator[bytes]) -> bytes:
    """Reads to the end of the part's head, and gives what of its content came with it. Raises Refused."""
    try:
        async for piece in pieces:
            content = part.feed(piece)
            if part.fields is not None:
                return content
    except Cut as error:
        raise Refused(502, str(error)) from None
    raise Refused(502, "the archive's multipart answer has no part")


async def _content(
    part: OnlyPart, first: bytes, pieces: AsyncIterator[bytes], whole: int | None
) -> AsyncIterator[bytes]:
    """A part's content, of `whole` bytes if that was said; raises Cut where it is not."""
    rest = whole
    content = first
    while True:
        if rest is not None:
            rest -= len(content)
            if rest < 0:
                raise Cut("the archive's part is longer than it said")
        if content:
            yield content
        if part.ended:
            break
        content = part.feed(await _next(pieces))
    if rest:
        raise Cut("the archive's part is shorter than it said")


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    try:
        return await anext(pieces)
    except StopAsyncIteration:
        raise Cut("the archive's multipart answer ends in the middle") from None
