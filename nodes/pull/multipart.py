"""Splitting `multipart/related` bodies (RFC 2046, 5.1) while they arrive."""

from collections.abc import Iterator
from email.message import Message

from nodes.errors import Unreadable

_LARGEST_PART = 2**30
_END_OF_HEADERS = b"\r\n\r\n"


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type header names; raises Unreadable where it is not multipart."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not isinstance(boundary, str) or not boundary:
        raise Unreadable(
            f"the PACS answered with Content-Type '{content_type}'; expected multipart/related with a boundary"
        )
    return boundary.encode("latin-1")


class Splitter:
    """Takes chunks as they come and gives each part's body once it is whole; holds one part at a time.

    Parts must hold binary data; their headers are skipped.
    """

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # so that the first boundary looks like all others
        self._scanned = 0  # up to here the buffer holds no boundary
        self._ended = False
        self._inside = False  # False while what stands before the first boundary is skipped

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take a chunk; gives the bodies that it completes. Raises Unreadable for a part beyond 1 GiB."""
        self._buffer += chunk
        while not self._ended:
            at = self._buffer.find(self._mark, self._scanned)
            after = at + len(self._mark)
            if at < 0 or len(self._buffer) < after + 2:
                self._scanned = max(0, at if at >= 0 else len(self._buffer) - len(self._mark) + 1)
                self._bound()
                return
            if self._inside:
                yield self._body(at)
            self._inside = True
            self._ended = self._buffer[after : after + 2] == b"--"
            del self._buffer[:after]
            self._scanned = 0

    def finish(self) -> None:
        """Say that nothing more comes; raises Unreadable where the closing boundary is missing."""
        if not self._ended:
            raise Unreadable(
                "the PACS's multipart answer ends in the middle: no closing boundary; pull the study again"
            )

    def _body(self, end: int) -> bytes:
        start = self._buffer.find(_END_OF_HEADERS, 0, end)
        if start < 0:
            # RFC 2046 lets a part have no header at all: then an empty line follows the boundary at once.
            raise Unreadable("a part of the PACS's multipart answer has no end of its headers")
        with memoryview(self._buffer) as view:
            return bytes(view[start + len(_END_OF_HEADERS) : end])

    def _bound(self) -> None:
        if len(self._buffer) > _LARGEST_PART:
            raise Unreadable(f"a part of the PACS's multipart answer is larger than {_LARGEST_PART >> 20} MiB")
