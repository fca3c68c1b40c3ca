"""HTTP as a gateway reads and writes it: strictly, and alike however the bytes come in."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.gateway import wire
from nodes.gateway.messages import Cut, Framing, Refused, Request, Response
from nodes.gateway.parts import OnlyPart

HOST = b"Host: pacs\r\n"


def stream(*pieces: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=wire.ROOM)
    for piece in pieces:
        reader.feed_data(piece)
    reader.feed_eof()
    return reader


def read(data: bytes) -> Request:
    async def _read() -> Request:
        reader = stream(data)
        return await wire.request_after(await wire.begun(reader), reader)

    return asyncio.run(_read())


def answered(data: bytes, method: str = "GET") -> Response:
    async def _read() -> Response:
        return await wire.response_to(method, stream(data))

    return asyncio.run(_read())


def body(framing: Framing, *pieces: bytes) -> bytes:
    async def _read() -> bytes:
        return b"".join([piece async for piece in wire.body(stream(*pieces), framing, 7)])

    return asyncio.run(_read())


def test_a_request_is_read_with_its_fields_and_the_length_of_its_body() -> None:
    got = read(b"\r\nPOST /a?b=c HTTP/1.1\r\nHost: pacs\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 7\r\n\r\n")
    assert (got.method, got.target, got.minor, got.framing) == ("POST", "/a?b=c", 1, 7)
    assert got.fields.all("x-a") == ["1", "2"]
    assert got.kept_alive


def test_an_absolute_target_goes_before_the_host_field() -> None:
    got = read(b"GET http://pacs.lyon:8042/studies?x HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (got.target, got.fields.all("host")) == ("/studies?x", ["pacs.lyon:8042"])


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "close", False),
        ("1.0", "", False),
        ("1.0", "keep-alive", True),
        ("1.1", "a, CLOSE", False),
    ],
)
def test_a_connection_stays_as_the_caller_says(version: str, connection: str, kept: bool) -> None:
    field = f"Connection: {connection}\r\n" if connection else ""
    assert read(f"GET / HTTP/{version}\r\nHost: pacs\r\n{field}\r\n".encode()).kept_alive is kept


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS to a port without
        (b"\r\n\r\n\r\n\r\n\r\n", 400),
        (b"garbage\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: pacs\n\n", 400),
        (b"G\x00T / HTTP/1.1\r\n\r\n", 400),
        (b"GET / http/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET ftp://x/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET /" + b"a" * 200_000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + (b"X: " + b"a" * 30_000 + b"\r\n") * 3 + b"\r\n", 431),
    ],
)
def test_what_is_no_proper_request_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(Refused) as refusal:
        read(data)
    assert refusal.value.status == status


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_refused_or_cut(data: bytes) -> None:
    for begin in (b"", b"GET / HTTP/1.1\r\nHost: a\r\n"):
        with contextlib.suppress(Refused, Cut):
            read(begin + data)
        with contextlib.suppress(Cut):
            answered(b"HTTP/1.1 200 OK\r\n" * bool(begin) + data)


@pytest.mark.parametrize(
    ("head", "method", "framing"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", 5),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", 0),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", 0),
        (b"HTTP/1.1 304\r\nContent-Length: 5\r\n\r\n", "GET", 0),
        (b"HTTP/1.1 200 OK\r\n\r\n", "GET", "close"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", "GET", "chunked"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", 0),
    ],
)
def test_how_an_answer_ends_is_known(head: bytes, method: str, framing: Framing) -> None:
    assert answered(head, method).framing == framing


@pytest.mark.parametrize("head", [b"HTTP/2 200\r\n\r\n", b"<html>", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_answer_is_said_to_be_none(head: bytes) -> None:
    with pytest.raises(Cut):
        answered(head)


@given(st.binary(max_size=300), st.lists(st.integers(1, 50)), st.integers(1, 40))
def test_a_body_is_the_same_by_every_framing_and_however_it_is_cut_into_packets(
    content: bytes, sizes: list[int], packet: int
) -> None:
    chunks, rest = [], content
    for size in sizes:
        chunks, rest = [*chunks, rest[:size]], rest[size:]
    chunked = b"".join(wire.framed(chunk, "chunked") for chunk in [*chunks, rest] if chunk) + wire.ending("chunked")

    def packets(data: bytes) -> list[bytes]:
        return [data[at : at + packet] for at in range(0, len(data), packet)]

    assert body("chunked", *packets(chunked)) == content
    assert body(len(content), *packets(content + b"GET / ")) == content
    assert body("close", *packets(content)) == content
    if content:
        with pytest.raises(Cut):
            body("chunked", *packets(chunked[:-1]))
        with pytest.raises(Cut):
            body(len(content) + 1, *packets(content))


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"3\r\nhello\r\n0\r\n\r\n",
        b"-1\r\n",
        b"FFFFFFFFFFFFFFFFF\r\n",
        b"5;a\r\nhell",
    ],
)
def test_a_broken_chunk_is_a_cut(data: bytes) -> None:
    with pytest.raises(Cut):
        body("chunked", data)


def multipart(content: bytes, fields: bytes, preamble: bytes) -> bytes:
    return preamble + b"--b\r\n" + fields + b"\r\n" + content + b"\r\n--b--\r\n"


@given(
    st.binary(max_size=300) | st.text(alphabet="-b\r\n", max_size=60).map(str.encode),
    st.sampled_from([b"", b"Content-Type: application/dicom\r\n", b"Content-Type: application/dicom\r\nX: 1\r\n"]),
    st.sampled_from([b"", b"\r\n", b"preamble\r\n"]),
    st.integers(1, 40),
)
def test_the_only_part_is_the_same_however_it_is_cut_into_packets(
    content: bytes, fields: bytes, preamble: bytes, packet: int
) -> None:
    content = content.replace(b"\r\n--b", b"")
    data = multipart(content, fields, preamble)
    part, got = OnlyPart(b"b"), b""
    for at in range(0, len(data), packet):
        got += part.feed(data[at : at + packet])
    assert part.ended
    assert part.fields is not None
    assert b"".join(f"{name}: {value}\r\n".encode() for name, value in part.fields) == fields
    # What is left of a boundary that was taken out above may, with what follows, be one again.
    assert got == content.partition(b"\r\n--b")[0]


def test_a_part_is_never_kept_whole() -> None:
    part = OnlyPart(b"b" * 60)
    part.feed(b"--" + b"b" * 60 + b"\r\n\r\n")
    for _ in range(100):
        assert len(part.feed(b"\0" * 10_000)) >= 10_000 - 64


def test_an_answer_that_never_comes_to_its_part_is_a_cut() -> None:
    part = OnlyPart(b"b")
    part.feed(b"<html>" * 1000)
    with pytest.raises(Cut):
        part.feed(b"<html>" * 2000)


def test_a_part_whose_head_is_none_is_a_cut() -> None:
    with pytest.raises(Cut):
        OnlyPart(b"b").feed(b"--b\r\nno field\r\n\r\n")
