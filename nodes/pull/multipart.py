"""Splitting `multipart/related` bodies (RFC 2046, 5.1) while they arrive."""

from collections.abc import Iterator
from email.message import Message

from nodes.errors import Unreadable

_LARGEST_PART = 2**30
_FIRST_MEMORY = 2**20
_ROOM = 64 * 1024
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
    """Splits a body while it is read into memory that the splitter gives out, and gives each part once it is whole.

    Nothing is copied and little memory is new (a fresh page costs more than reading it): parts are views of `memory`,
    which can be handed to the next splitter when the parts of this one are no longer used. Parts must hold binary data;
    their headers are skipped.
    """

    def __init__(self, boundary: bytes, memory: bytearray | None = None) -> None:
        self._mark = b"\r\n--" + boundary
        self.memory = memory or bytearray(_FIRST_MEMORY)
        self.memory[:2] = b"\r\n"  # so that the first boundary looks like all others
        self._start = 0  # of what is not split yet
        self._end = 2
        self._scanned = 0  # up to here no boundary starts
        self._ended = False
        self._inside = False  # False while what stands before the first boundary is skipped

    def room(self) -> memoryview:
        """Where the next bytes of the body go: 64 KiB."""
        if len(self.memory) < self._end + _ROOM:
            self._move()
        return memoryview(self.memory)[self._end : self._end + _ROOM]

    def _move(self) -> None:
        """Go on in larger memory. The old one stays for as long as there are parts in it, and so can't be resized."""
        larger = bytearray(2 * len(self.memory))
        rest = memoryview(self.memory)[self._start : self._end]
        larger[: len(rest)] = rest
        self.memory = larger
        self._start, self._end, self._scanned = 0, len(rest), self._scanned - self._start

    def read(self, count: int) -> Iterator[memoryview]:
        """Take the first `count` bytes of the room; gives the parts that they complete.

        Raises Unreadable for a part beyond 1 GiB.
        """
        self._end += count
        while not self._ended:
            at = self.memory.find(self._mark, self._scanned, self._end)
            after = at + len(self._mark)
            if at < 0 or self._end < after + 2:
                self._scanned = max(self._start, at if at >= 0 else self._end - len(self._mark) + 1)
                self._bound()
                return
            if self._inside:
                yield self._body(at)
            self._inside = True
            self._ended = self.memory[after : after + 2] == b"--"
            self._start = self._scanned = after
        self._end = self._start  # what follows the last boundary is nobody's

    def finish(self) -> None:
        """Say that nothing more comes; raises Unreadable where the closing boundary is missing."""
        if not self._ended:
            raise Unreadable(
                "the PACS's multipart answer ends in the middle: no closing boundary; pull the study again"
            )

    def _body(self, end: int) -> memoryview:
        start = self.memory.find(_END_OF_HEADERS, self._start, end)
        if start < 0:
            # RFC 2046 lets a part have no header at all: then an empty line follows the boundary at once.
            raise Unreadable("a part of the PACS's multipart answer has no end of its headers")
        return memoryview(self.memory)[start + len(_END_OF_HEADERS) : end]

    def _bound(self) -> None:
        if self._end - self._start > _LARGEST_PART:
            raise Unreadable(f"a part of the PACS's multipart answer is larger than {_LARGEST_PART >> 20} MiB")
