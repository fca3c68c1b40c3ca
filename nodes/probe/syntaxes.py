"""Transfer syntaxes that are asked for: their UIDs and what people call them."""

NAMES = {
    "1.2.840.10008.1.2.1": "explicit",
    "1.2.840.10008.1.2": "implicit",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
}
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"

_MARK = b"\x02\x00\x10\x00UI"


def named(uid: str) -> str:
    """What people call a transfer syntax; its UID where they don't."""
    return NAMES.get(uid, uid)


def of_file(content: bytes) -> str | None:
    """The transfer syntax that a DICOM file's head names; None where there is none (not a file of PS3.10)."""
    start = content.find(b"DICM")
    at = content.find(_MARK, start, start + 4096) if start >= 0 else -1
    if at < 0:
        return None
    size = int.from_bytes(content[at + 6 : at + 8], "little")
    return content[at + 8 : at + 8 + size].rstrip(b"\0 ").decode("ascii", "replace")
