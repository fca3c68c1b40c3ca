"""HTTP/1.1 (RFC 9110, RFC 9112): heads of requests and answers, read strictly, and how long their bodies are."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias

Framing: TypeAlias = int | Literal["chunked", "close"]
"""How a body ends: after so many bytes, with an empty chunk, or with the connection."""

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION = re.compile(rb"HTTP/(\d)\.(\d)")
_TARGET = re.compile(rb"[!-~]+")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LARGEST = 2**63
_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}) | {
    f"proxy-{name}" for name in ("connection", "authenticate", "authorization")
}


class Refused(Exception):  # noqa: N818 - reads as the sentence it is
    """The gateway answers a request itself, with an error."""

    def __init__(self, status: int, why: str, *fields: tuple[str, str]) -> None:
        super().__init__(why)
        self.status, self.why, self.fields = status, why, fields


class Cut(Exception):  # noqa: N818 - so does this
    """A body that ends too early, or is not what its head said."""


class Fields(tuple[tuple[str, str], ...]):
    """The header fields of a message, in their order. Names are compared without regard to case."""

    __slots__ = ()

    def all(self, name: str) -> list[str]:
        """The values of all fields of a name, which is given in lower case."""
        return [value for key, value in self if key.lower() == name]

    def text(self, name: str) -> str:
        """The same as one list, as RFC 9110 (5.3) lets it be written; empty where there is none."""
        return ", ".join(self.all(name))

    def words(self, name: str) -> set[str]:
        """The elements of that list, in lower case."""
        return {word.strip().lower() for word in self.text(name).split(",")} - {""}

    def without(self, names: Iterable[str]) -> "Fields":
        """All others; the names are given in lower case."""
        dropped = frozenset(names)
        return Fields(field for field in self if field[0].lower() not in dropped)

    def end_to_end(self) -> "Fields":
        """Those that are not about the connection alone (RFC 9110, 7.6.1)."""
        return self.without(_HOP | self.words("connection"))


@dataclass(frozen=True)
class Request:
    """`minor` is that of HTTP/1.minor; `framing` of its body, 0 where it has none."""

    method: str
    target: str
    minor: int
    fields: Fields
    framing: Framing

    @property
    def kept_alive(self) -> bool:
        """Whether the caller lets its connection stay."""
        words = self.fields.words("connection")
        return "close" not in words and (self.minor >= 1 or "keep-alive" in words)


@dataclass(frozen=True)
class Response:
    """An answer's head."""

    status: int
    reason: str
    fields: Fields
    framing: Framing


def request_line(line: bytes) -> tuple[str, str, int]:
    """Method, target and minor version of a request's first line; raises Refused."""
    words = _line(line).split(b" ")
    if len(words) != 3 or not TOKEN.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise Refused(400, "the request does not begin with METHOD TARGET HTTP/1.1")
    version = _VERSION.fullmatch(words[2])
    if not version:
        raise Refused(400, "the request does not begin with METHOD TARGET HTTP/1.1")
    if version[1] != b"1":
        raise Refused(505, "HTTP/1.1 is spoken here")
    return words[0].decode("ascii"), words[1].decode("ascii"), int(version[2])


def request_of(line: tuple[str, str, int], fields: Fields) -> Request:
    """A request whose head is whole; raises Refused."""
    method, target, minor = line
    hosts = fields.all("host")
    if len(hosts) > 1 or (minor >= 1 and not hosts):
        raise Refused(400, f"{len(hosts)} Host fields; expected one")
    if method == "CONNECT":
        raise Refused(405, "this is no tunnel")
    if not target.startswith("/") and target != "*":
        target, fields = _origin_form(target, fields)
    return Request(method, target, minor, fields, _request_framing(fields, minor))


def _origin_form(target: str, fields: Fields) -> tuple[str, Fields]:
    """RFC 9112, 3.2.2: what stands in the target goes before the Host field."""
    match = re.fullmatch(r"https?://([^/?#]+)([/?].*)?", target, re.IGNORECASE)
    if not match:
        raise Refused(400, f"'{target[:100]}' is no path")
    path = match[2] or "/"
    return path if path[0] == "/" else f"/{path}", Fields([("Host", match[1]), *fields.without({"host"})])


def _request_framing(fields: Fields, minor: int) -> Framing:
    lengths, codings = fields.all("content-length"), fields.all("transfer-encoding")
    if codings and (lengths or minor < 1):
        raise Refused(400, "Transfer-Encoding beside Content-Length, or in HTTP/1.0")
    if codings:
        if fields.text("transfer-encoding").strip().lower() != "chunked":
            raise Refused(501, "of transfer codings only 'chunked' is known")
        return "chunked"
    try:
        return _length(lengths)
    except ValueError as error:
        raise Refused(400, str(error)) from None


def _length(lengths: list[str]) -> int:
    if not lengths:
        return 0
    one = lengths[0]
    if len(set(lengths)) > 1 or not (one.isascii() and one.isdigit() and len(one) < 20):
        raise ValueError(f"Content-Length is '{', '.join(lengths)[:60]}'; expected one number of bytes")
    return int(one)


def response_of(line: bytes, fields: Fields, method: str) -> Response:
    """An answer to a request of that method whose head is whole; raises Cut for what is none."""
    match = re.fullmatch(rb"HTTP/1\.\d (\d{3})(?: ([\t\x20-\x7e\x80-\xff]*))?\r?\n", line)
    if not match:
        raise Cut("the archive's answer is not HTTP/1.1")
    status = int(match[1])
    framing = _response_framing(status, fields, method)
    return Response(status, (match[2] or b"").decode("latin-1"), fields, framing)


def _response_framing(status: int, fields: Fields, method: str) -> Framing:
    if method == "HEAD" or status in (204, 304) or status < 200:
        return 0
    codings = fields.text("transfer-encoding").strip().lower()
    if codings:
        return "chunked" if codings == "chunked" else "close"
    lengths = fields.all("content-length")
    try:
        return _length(lengths) if lengths else "close"
    except ValueError as error:
        raise Cut(f"the archive's {error}") from None


def fields_of(lines: Iterable[bytes]) -> Fields:
    """The fields in a head's lines; raises Refused for what is none."""
    return Fields(_fields(lines))


def _fields(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = _line(line).partition(b":")
        if not colon or not TOKEN.fullmatch(name) or _FORBIDDEN.search(value):
            raise Refused(400, f"'{line[:60].decode('latin-1').strip()}' is no header field")
        yield name.decode("ascii"), value.strip(b" \t").decode("latin-1")


def _line(line: bytes) -> bytes:
    if not line.endswith(b"\r\n"):
        raise Refused(400, "a line of the head does not end with CR and LF")
    return line[:-2]


def chunk_size(line: bytes) -> int:
    """The size in a chunk's first line; raises Cut."""
    digits = line.partition(b";")[0].strip(b" \t\r\n")
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", digits) or not line.endswith(b"\r\n") or int(digits, 16) >= _LARGEST:
        raise Cut("a chunk does not begin with its size")
    return int(digits, 16)


def head(first: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """A head as it goes over the wire."""
    return "".join([f"{first}\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n"]).encode("latin-1")


def status_line(status: int, reason: str = "") -> str:
    """The first line of an answer."""
    known = reason or (HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "")
    return f"HTTP/1.1 {status} {known}"
