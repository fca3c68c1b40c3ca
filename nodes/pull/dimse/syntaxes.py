"""Which objects a worker takes over DIMSE, and in which transfer syntaxes: all of them, compressed ones too."""

from collections.abc import Iterable
from typing import Final

from nodes.pull.dimse.pdus import Context

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
SYNTAXES: Final = (
    EXPLICIT,
    IMPLICIT,
    "1.2.840.10008.1.2.1.99",  # deflated
    "1.2.840.10008.1.2.2",  # big endian
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.5",  # RLE
)
USUAL: Final = (
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.4.1",  # enhanced MR
    "1.2.840.10008.5.1.4.1.1.128",  # PET
    "1.2.840.10008.5.1.4.1.1.130",  # enhanced PET
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture …
    "1.2.840.10008.5.1.4.1.1.7.2",  # … multi-frame, of bytes
    "1.2.840.10008.5.1.4.1.1.7.3",  # … of words
    "1.2.840.10008.5.1.4.1.1.7.4",  # … in colour
)
"""What is offered before it is known what a study has."""

MOST_CLASSES: Final = 10
"""An association has 128 contexts at most (PS3.8, 7.1.1.13)."""


def storage(classes: Iterable[str]) -> list[Context]:
    """A context for each class in each syntax: in one context the PACS would choose one syntax for all that it has,
    and could not send what it stores in another."""
    return [Context(one, (syntax,)) for one in classes for syntax in SYNTAXES]


def meta(sop_class: str, instance: str, syntax: str) -> bytes:
    """What stands before a data set in a file: preamble and file meta information (PS3.10, 7.1)."""
    parts = [_element(1, b"OB", b"\0\1"), *(
        _element(number, b"UI", value.encode() + b"\0" * (len(value) % 2))
        for number, value in ((2, sop_class), (3, instance), (0x10, syntax), (0x12, "1.2.826.0.1.3680043.8.498.1"))
    )]  # fmt: skip
    rest = b"".join(parts)
    return bytes(128) + b"DICM" + _element(0, b"UL", len(rest).to_bytes(4, "little")) + rest


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    head = b"\2\0" + number.to_bytes(2, "little") + vr
    return (
        head + (b"\0\0" + len(value).to_bytes(4, "little") if vr == b"OB" else len(value).to_bytes(2, "little")) + value
    )
