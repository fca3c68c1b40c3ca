"""Unique identifiers that a seed decides."""

import hashlib


def uid(*parts: str | int) -> str:
    """The UID of a named thing: `2.25.` and a 128-bit number (DICOM PS3.5, B.2), the same for the same parts."""
    digest = bytearray(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80  # RFC 9562 version 8: a UUID of our own making
    digest[8] = digest[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(digest)}"


def uid_of(seed: int, site: str, number: int, *parts: str | int) -> str:
    """The UID of a thing of a phantom: the subject of that number at a site."""
    return uid("pacs-testbed", seed, site, number, *parts)
