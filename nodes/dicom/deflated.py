"""Files in Deflated Explicit VR Little Endian (PS3.5, A.5): small ones may become huge."""

import zlib
from typing import Final

_DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
_LEAST_HEAD: Final = 1024
_MOST_AT_ONCE: Final = 2**20


def inflates_beyond(data: memoryview | bytes, most: int) -> bool:
    """Whether a deflated file unpacks to more than `most` bytes, found out without holding them; False of every other
    file. Raises zlib.error where it says that it is deflated, and is not.
    """
    head_end = 144 + int.from_bytes(bytes(data[140:144]), "little")  # its first element says how long the head is
    if _DEFLATED not in bytes(data[132 : max(head_end, _LEAST_HEAD)]):
        return False
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total, rest = 0, bytes(data[head_end:])
    while rest and not inflater.eof:
        total += len(inflater.decompress(rest, _MOST_AT_ONCE))
        rest = inflater.unconsumed_tail
        if total > most:
            return True
    return False
