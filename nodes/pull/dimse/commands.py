"""Command sets (PS3.7, annex E) and identifiers, in Implicit VR Little Endian, and what statuses mean."""

import struct
from collections.abc import Mapping
from typing import Final

from nodes.errors import Unreadable

AFFECTED_CLASS, FIELD, MESSAGE, ANSWERED, DESTINATION = 0x00000002, 0x00000100, 0x00000110, 0x00000120, 0x00000600
PRIORITY, DATA, STATUS, COMMENT, AFFECTED_INSTANCE = 0x00000700, 0x00000800, 0x00000900, 0x00000902, 0x00001000
REMAINING, COMPLETED, FAILED, WARNED = 0x00001020, 0x00001021, 0x00001022, 0x00001023
STORE_RQ, STORE_RSP, GET_RQ, FIND_RQ, MOVE_RQ, ECHO_RQ, ECHO_RSP = 0x0001, 0x8001, 0x0010, 0x0020, 0x0021, 0x30, 0x8030
NO_DATA: Final = 0x0101
PENDING: Final = (0xFF00, 0xFF01)

_HEAD: Final = struct.Struct("<HHI")

Elements = Mapping[int, bytes]
"""Values by tag, as they stand in the file."""


def encoded(elements: Mapping[int, str | int]) -> bytes:
    """A data set of UIDs and text, or of 16-bit numbers, in the order of its tags."""
    made = bytearray()
    for tag, value in sorted(elements.items()):
        if isinstance(value, int):
            data = struct.pack("<H", value)
        else:
            data = value.encode()
            data += (b"\0" if _is_uid(tag) else b" ") * (len(data) % 2)
        made += _HEAD.pack(tag >> 16, tag & 0xFFFF, len(data)) + data
    return bytes(made)


def _is_uid(tag: int) -> bool:
    return tag in (AFFECTED_CLASS, AFFECTED_INSTANCE, 0x00080018, 0x00080016, 0x0020000D, 0x0020000E)


def command(elements: Mapping[int, str | int]) -> bytes:
    """A command set with its group length."""
    rest = encoded(elements)
    return _HEAD.pack(0, 0, 4) + struct.pack("<I", len(rest)) + rest


def decoded(data: bytes) -> dict[int, bytes]:
    """The elements up to the first that has no length of its own; raises Unreadable where they don't fit in."""
    found: dict[int, bytes] = {}
    place = 0
    while place < len(data):
        if place + _HEAD.size > len(data):
            raise Unreadable("the PACS sent a message that ends in the middle of an element")
        group, element, length = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        if length == 0xFFFFFFFF:
            break
        if place + length > len(data):
            raise Unreadable(f"the PACS sent a message with an element ({group:04X},{element:04X}) of {length} bytes")
        found[group << 16 | element] = data[place : place + length]
        place += length
    return found


def number(elements: Elements, tag: int, default: int = 0) -> int:
    """A 16-bit number."""
    value = elements.get(tag, b"")
    return int.from_bytes(value[:2], "little") if len(value) >= 2 else default


def text(elements: Elements, tag: int) -> str:
    """A UID, or text."""
    return elements.get(tag, b"").decode("ascii", errors="replace").strip("\0 ")


def meaning(response: Elements) -> str:
    """What a response's status says, for a person."""
    status = number(response, STATUS)
    comment = text(response, COMMENT)
    failed = number(response, FAILED)
    said = _MEANINGS.get(status) or _MEANINGS.get(status & 0xF000) or "an unknown status"
    counts = f", {failed} objects failed" if failed else ""
    return f"status 0x{status:04X}: {said}{counts}" + (f" ({comment[:100]})" if comment else "")


_MEANINGS: Final = {
    0x0000: "success",
    0x0112: "it has no such object",
    0x0122: "it does not have this service",
    0x0124: "it does not allow this",
    0xA700: "out of resources",
    0xA701: "out of resources: it can't count the matches",
    0xA702: "out of resources: it can't send the objects",
    0xA801: "it does not know the move destination",
    0xA900: "the question does not fit the service",
    0xB000: "some objects could not be sent",
    0xC000: "it can't process this",
    0xFE00: "it was cancelled",
}
