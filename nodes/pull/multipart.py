"""Splitting `multipart/related` bodies (RFC 2046, 5.1) while they arrive."""

from collections.abc import Iterator
from email.message import Message
from typing import Final, NamedTuple

from nodes.errors import Unreadable

_MEMORY: Final = 4 * 2**20
_LONGEST_HEADERS: Final = 16 * 1024
_END_OF_HEADERS: Final = b"\r\n\r\n"


class Piece(NamedTuple):
    """Bytes of a part, to be used before the splitter is fed again. A part of up to 4 MiB comes as one piece that is
    its `first` and its `last`."""

    data: memoryview
    first: bool
    last: bool


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type header names; raises Unreadable where it is not multipart."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not isinstance(boundary, str) or not boundary:
        raise Unreadable(
            f"the PACS answered with Content-Type '{content_type}'; expected multipart/related with a boundary"
        )
    return boundary.encode("latin-1", errors="replace")


class Splitter:
    """Splits a body that is fed to it, and gives each part as soon as it is whole, or piece by piece where it is large.

    It works in one piece of memory of 4 MiB, whatever the body's size: a fresh page costs more than reading it. Parts
    must hold binary data; their headers are skipped.
    """

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        self._memory = bytearray(_MEMORY)
        self._memory[:2] = b"\r\n"  # so that the first boundary looks like all others
        self._view = memoryview(self._memory)
        self._start = 0  # of what is not given yet
        self._end = 2
        self._scanned = 0  # up to here no boundary starts
        self._ended = False
        self._inside = False  # False while what stands before the first boundary is skipped
        self._begun = False  # whether a piece of this part has been given

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take the next bytes of the body; gives the pieces of parts that they complete. Raises Unreadable."""
        rest = memoryview(data)
        while rest and not self._ended:
            if self._end == _MEMORY:
                self._compact()
            count = min(len(rest), _MEMORY - self._end)
            self._view[self._end : self._end + count] = rest[:count]
            self._end += count
            rest = rest[count:]
            yield from self._split()

    def finish(self) -> None:
        """Say that nothing more comes; raises Unreadable where the closing boundary is missing."""
        if not self._ended:
            raise Unreadable("the PACS's multipart answer ends in the middle: its closing boundary is missing")

    def _split(self) -> Iterator[Piece]:
        while not self._ended:
            at = self._memory.find(self._mark, self._scanned, self._end)
            after = at + len(self._mark)
            if at < 0 or self._end < after + 2:
                self._scanned = max(self._start, at if at >= 0 else self._end - len(self._mark) + 1)
                yield from self._overflow()
                return
            if self._inside:
                yield self._piece(at, last=True)
            self._inside, self._begun = True, False
            self._ended = self._memory[after : after + 2] == b"--"
            self._start = self._scanned = after

    def _overflow(self) -> Iterator[Piece]:
        """Give what there is of a part that fills the memory; what stands before the first boundary goes."""
        if self._end == _MEMORY and self._start < _MEMORY // 2:
            if self._inside:
                yield self._piece(self._scanned, last=False)
            self._start = self._scanned

    def _compact(self) -> None:
        left = self._end - self._start
        self._memory[:left] = self._memory[self._start : self._end]
        self._start, self._end, self._scanned = 0, left, self._scanned - self._start

    def _piece(self, end: int, last: bool) -> Piece:
        start, first = self._start, not self._begun
        if first:
            self._begun = True
            start = self._memory.find(_END_OF_HEADERS, self._start, min(end, self._start + _LONGEST_HEADERS))
            if start < 0:
                # RFC 2046 lets a part have no header at all: then an empty line follows the boundary at once.
                raise Unreadable("a part of the PACS's multipart answer has no end of its headers")
            start += len(_END_OF_HEADERS)
        return Piece(self._view[start:end], first, last)
