"""The PDUs of the upper layer (PS3.8, chapter 9), as bytes. Nothing here touches a network."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from nodes.errors import Unreadable

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
LARGEST_PDU: Final = 131_072
"""What we take, in bytes: the largest that DCMTK and what is built on it send."""

_APPLICATION = "1.2.840.10008.3.1.1.1"
_IMPLEMENTATION = "1.2.826.0.1.3680043.8.498.45787841905188114249811116144171905192"
_VERSION = "TESTBED_PULL"
_FIXED: Final = struct.Struct(">HH16s16s32s")
_ITEM: Final = struct.Struct(">BxH")
_APPLICATION_CONTEXT, _REQUESTED, _ANSWERED, _ABSTRACT, _TRANSFER, _USER = 0x10, 0x20, 0x21, 0x30, 0x40, 0x50
_MAXIMUM, _CLASS_UID, _ROLE, _VERSION_NAME = 0x51, 0x52, 0x54, 0x55


@dataclass(frozen=True)
class Context:
    """A presentation context that is offered: a SOP class with transfer syntaxes."""

    abstract: str
    syntaxes: tuple[str, ...]


@dataclass(frozen=True)
class Accepted:
    """A context that holds, with the one syntax that was agreed on."""

    abstract: str
    syntax: str


@dataclass(frozen=True)
class Associate:
    """An A-ASSOCIATE-RQ, or -AC, as it was read. `contexts` by id, `results` of an -AC (0: accepted) with the syntax
    that was chosen."""

    called: str
    calling: str
    contexts: Mapping[int, Context] = field(default_factory=dict)
    results: Mapping[int, tuple[int, str]] = field(default_factory=dict)
    maximum: int = 0
    """The largest PDU that the other side takes; 0: any."""
    roles: Sequence[str] = ()
    """SOP classes for which the roles were asked or answered."""


def pdu(kind: int, body: bytes) -> bytes:
    """A whole PDU."""
    return struct.pack(">BxI", kind, len(body)) + body


def _item(kind: int, body: bytes) -> bytes:
    return _ITEM.pack(kind, len(body)) + body


def _title(name: str) -> bytes:
    return name.encode("ascii", errors="replace")[:16].ljust(16)


def _user(roles: Iterable[tuple[str, int, int]]) -> bytes:
    told = [_item(_MAXIMUM, struct.pack(">I", LARGEST_PDU)), _item(_CLASS_UID, _IMPLEMENTATION.encode())]
    for uid, scu, scp in roles:
        name = uid.encode()
        told.append(_item(_ROLE, struct.pack(">H", len(name)) + name + bytes((scu, scp))))
    told.append(_item(_VERSION_NAME, _VERSION.encode()))
    return _item(_USER, b"".join(told))


def associate_rq(called: str, calling: str, contexts: Sequence[Context], roles: Iterable[str]) -> bytes:
    """Ask for an association; context ids are 1, 3, 5 …. In `roles` we are the SCP: the other side stores to us."""
    body = _FIXED.pack(1, 0, _title(called), _title(calling), b"") + _item(_APPLICATION_CONTEXT, _APPLICATION.encode())
    for number, context in enumerate(contexts):
        names = _item(_ABSTRACT, context.abstract.encode())
        names += b"".join(_item(_TRANSFER, syntax.encode()) for syntax in context.syntaxes)
        body += _item(_REQUESTED, bytes((2 * number + 1, 0, 0, 0)) + names)
    return pdu(ASSOCIATE_RQ, body + _user((uid, 0, 1) for uid in roles))


def associate_ac(asked: Associate, chosen: Mapping[int, str]) -> bytes:
    """Grant what was `asked`: the contexts in `chosen` with their syntax, the others not."""
    body = _FIXED.pack(1, 0, _title(asked.called), _title(asked.calling), b"")
    body += _item(_APPLICATION_CONTEXT, _APPLICATION.encode())
    for number, context in asked.contexts.items():
        syntax = chosen.get(number)
        result = 0 if syntax else 4  # 4: none of its transfer syntaxes
        name = syntax or (context.syntaxes[0] if context.syntaxes else "1.2.840.10008.1.2")
        body += _item(_ANSWERED, bytes((number, 0, result, 0)) + _item(_TRANSFER, name.encode()))
    return pdu(ASSOCIATE_AC, body + _user(()))


def associated(body: memoryview) -> Associate:
    """Read the body of an A-ASSOCIATE-RQ or -AC; raises Unreadable."""
    try:
        _, _, called, calling, _ = _FIXED.unpack_from(body)
        contexts: dict[int, Context] = {}
        results: dict[int, tuple[int, str]] = {}
        maximum, roles = 0, []
        for kind, content in _items(body[_FIXED.size :]):
            if kind == _REQUESTED:
                names = [(one, _text(value)) for one, value in _items(content[4:])]
                abstract = next((name for one, name in names if one == _ABSTRACT), "")
                contexts[content[0]] = Context(abstract, tuple(name for one, name in names if one == _TRANSFER))
            elif kind == _ANSWERED:
                syntax = next((_text(value) for one, value in _items(content[4:]) if one == _TRANSFER), "")
                results[content[0]] = (content[2], syntax)
            elif kind == _USER:
                for one, value in _items(content):
                    if one == _MAXIMUM:
                        (maximum,) = struct.unpack_from(">I", value)
                    elif one == _ROLE:
                        (length,) = struct.unpack_from(">H", value)
                        roles.append(_text(value[2 : 2 + length]))
    except (struct.error, IndexError) as error:
        raise Unreadable(f"the PACS's answer to our association is damaged ({error})") from error
    return Associate(_text(called), _text(calling), contexts, results, maximum, tuple(roles))


def _items(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    place = 0
    while place < len(data):
        kind, length = _ITEM.unpack_from(data, place)
        place += _ITEM.size
        if place + length > len(data):
            raise IndexError("an item is longer than what holds it")
        yield kind, data[place : place + length]
        place += length


def _text(data: memoryview | bytes) -> str:
    return bytes(data).decode("ascii", errors="replace").strip("\0 ")


def fragments(context: int, data: bytes, command: bool, largest: int) -> bytes:
    """A message's command or data set as P-DATA-TF PDUs of at most `largest` bytes (0: any), one PDV each."""
    room = (largest or LARGEST_PDU) - 6
    made = bytearray()
    for start in range(0, len(data), room):
        part = data[start : start + room]
        last = start + room >= len(data)
        made += struct.pack(">BxIIBB", P_DATA, len(part) + 6, len(part) + 2, context, command | last << 1) + part
    return bytes(made)


def rejection(body: memoryview) -> tuple[str, bool]:
    """What an A-ASSOCIATE-RJ says (PS3.8, 9.3.4), and whether it may be otherwise later."""
    result, source, reason = (*body[1:4], 0, 0, 0)[:3]
    told = {
        (1, 2): "it does not know our kind of application",
        (1, 3): "it does not know our AE title",
        (1, 7): "it has another AE title than the one we called",
        (3, 1): "it is congested",
        (3, 2): "it has as many associations as it takes",
    }
    return told.get((source, reason), f"source {source}, reason {reason}"), result == 2
