"""One instance out of a multipart answer, while it arrives."""

from nodes.gateway.messages import Cut, Fields, Refused, fields_of

_LONGEST_HEAD = 16_384


class OnlyPart:
    """Takes a `multipart/related` body (RFC 2046, 5.1) in pieces and gives the content of its first part.

    No more is kept than the head of the part, and then what may be the start of the closing boundary.
    """

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        self._kept = bytearray(b"\r\n")  # so that the first boundary looks like the next
        self.fields: Fields | None = None  # of the part, once they are there
        self.ended = False
        self._content = False

    def feed(self, data: bytes) -> bytes:
        """What a piece of the body adds to the part's content. Raises Cut for a head that is none."""
        if self.ended:
            return b""
        self._kept += data
        if self._content:
            return self._until_mark()
        self._read_head()
        return self._until_mark() if self._content else b""

    def _read_head(self) -> None:
        began = self._kept.find(self._mark)
        head_at = began + len(self._mark)
        ends = self._kept.find(b"\r\n\r\n", head_at) if began >= 0 else -1
        if ends < 0:
            if len(self._kept) > _LONGEST_HEAD:
                raise Cut("the archive's multipart answer does not begin with a part")
            return
        try:
            self.fields = fields_of(bytes(self._kept[head_at + 2 : ends + 2]).splitlines(keepends=True))
        except Refused as error:
            raise Cut(f"the archive's part has no proper head: {error.why}") from None
        del self._kept[: ends + 4]
        self._content = True

    def _until_mark(self) -> bytes:
        at = self._kept.find(self._mark)
        self.ended = at >= 0
        sure = at if self.ended else max(0, len(self._kept) - len(self._mark) + 1)
        content = bytes(self._kept[:sure])
        del self._kept[:sure]
        return content
