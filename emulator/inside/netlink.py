"""Interfaces, addresses and routes by the kernel's own protocol: rtnetlink, spoken from here, without a process for it.

An order is a dict as `emulator.orders` makes it. Layouts: linux/netlink.h, linux/rtnetlink.h, linux/if_link.h and
linux/neighbour.h. Starting `ip` costs about 3 ms an order's place; this costs 0.02 ms an order.
The router's first process uses it too, in a kernel where imports are slow: so it makes do with what `socket` stands on.
"""

from __future__ import annotations

import _socket
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Order = dict[str, Any]
    Message = tuple[int, int, bytes]  # type, flags, body

_NETLINK_ROUTE = 0
_SOL_NETLINK, _EXT_ACK = 270, 11
_REQUEST_ACK, _REPLACE, _CREATE_NEW, _CREATE = 0x005, 0x100, 0x600, 0x400
_ERROR = 2
_CAPPED, _TLVS = 0x100, 0x200  # flags of an acknowledgement
_ACK_TEXT = 1

_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE, _NEWNEIGH = 16, 17, 20, 24, 28
_IFF_UP, _IFF_PROMISC = 0x1, 0x100
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 10, 18
_IFLA_NET_NS_FD, _IFLA_GSO_MAX_SEGS = 28, 40
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_INFO_PEER = 1
# IFLA_BRPORT_LEARNING, _UNICAST_FLOOD, _MCAST_FLOOD, _BCAST_FLOOD, _ISOLATED
_ISOLATION = {8: 0, 9: 0, 27: 0, 30: 0, 33: 1}
_NLA_NESTED = 0x8000

_RT_TABLE_MAIN, _RTPROT_BOOT, _RTN_UNICAST, _RTNH_ONLINK = 254, 3, 1, 4
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_METRICS = 1, 4, 5, 7, 8
_RTAX_MTU = 2
_NUD_NOARP, _NUD_PERMANENT, _NTF_MASTER = 0x40, 0x80, 0x04
_NDA_DST, _NDA_LLADDR = 1, 2


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _number(kind: int, value: int) -> bytes:
    return struct.pack("=HHI", 8, kind, value)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _nested(kind: int, *attributes: bytes) -> bytes:
    return _attribute(kind | _NLA_NESTED, b"".join(attributes))


def _mac(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


def _interface(index: int, on: int = 0) -> bytes:
    """struct ifinfomsg: the flags that are on are switched on, no other is touched."""
    return struct.pack("=BxHiII", 0, 0, index, on, on)


def _settings(order: Order) -> bytes:
    """The attributes that an interface may get when it is made, or later."""
    found = b""
    if order["mac"]:
        found += _attribute(_IFLA_ADDRESS, _mac(order["mac"]))
    if order["mtu"]:
        found += _number(_IFLA_MTU, order["mtu"])
    if order["single_packets"]:
        found += _number(_IFLA_GSO_MAX_SEGS, 1)
    if order["bridge"]:
        found += _number(_IFLA_MASTER, _socket.if_nametoindex(order["bridge"]))
    return found


def _flags(order: Order) -> int:
    return (_IFF_UP if order["up"] else 0) | (_IFF_PROMISC if order["promiscuous"] else 0)


def _change(order: Order, _far: int) -> Message:
    index = _socket.if_nametoindex(order["name"])
    return _NEWLINK, 0, _interface(index, _flags(order)) + _settings(order)


def _bridge(order: Order, _far: int) -> Message:
    kind = _nested(_IFLA_LINKINFO, _text(_INFO_KIND, "bridge"))
    named = _text(_IFLA_IFNAME, order["name"]) + _attribute(_IFLA_ADDRESS, _mac(order["mac"]))
    return _NEWLINK, _CREATE_NEW, _interface(0, _IFF_UP) + named + _number(_IFLA_MTU, order["mtu"]) + kind


def _cable(order: Order, far_place: int) -> Message:
    near, far = order["near"], order["far"]
    peer = _interface(0) + _text(_IFLA_IFNAME, far["name"]) + _settings(far)
    if far_place >= 0:
        peer += _number(_IFLA_NET_NS_FD, far_place)
    kind = _nested(_IFLA_LINKINFO, _text(_INFO_KIND, "veth"), _nested(_INFO_DATA, _attribute(_VETH_INFO_PEER, peer)))
    return (
        _NEWLINK,
        _CREATE_NEW,
        _interface(0, _flags(near)) + _text(_IFLA_IFNAME, near["name"]) + _settings(near) + kind,
    )


def _move(order: Order, far_place: int) -> Message:
    named = _number(_IFLA_NET_NS_FD, far_place) + _text(_IFLA_IFNAME, order["called"])
    return _NEWLINK, 0, _interface(_socket.if_nametoindex(order["name"])) + named


def _isolation(order: Order, _far: int) -> Message:
    data = b"".join(_attribute(kind, bytes([value])) for kind, value in _ISOLATION.items())
    port = _nested(_IFLA_LINKINFO, _text(_INFO_SLAVE_KIND, "bridge"), _nested(_INFO_SLAVE_DATA, data))
    return _NEWLINK, 0, _interface(_socket.if_nametoindex(order["name"])) + port


def _removal(order: Order, _far: int) -> Message:
    return _DELLINK, 0, _interface(_socket.if_nametoindex(order["name"]))


def _address(order: Order, _far: int) -> Message:
    index = _socket.if_nametoindex(order["device"])
    address = _socket.inet_aton(order["address"])
    head = struct.pack("=BBBBi", _socket.AF_INET, order["prefix"], 0, 0, index)
    return _NEWADDR, _CREATE_NEW, head + _attribute(1, address) + _attribute(2, address)  # IFA_ADDRESS, IFA_LOCAL


def _route(order: Order, _far: int) -> Message:
    """A default route."""
    flags = _RTNH_ONLINK if order["onlink"] else 0
    family = (_socket.AF_INET, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, 0, _RTN_UNICAST, flags)
    body = struct.pack("=8BI", *family) + _attribute(_RTA_GATEWAY, _socket.inet_aton(order["via"]))
    body += _number(_RTA_OIF, _socket.if_nametoindex(order["device"]))
    if order["source"]:
        body += _attribute(_RTA_PREFSRC, _socket.inet_aton(order["source"]))
    if order["mtu"]:
        body += _nested(_RTA_METRICS, _number(_RTAX_MTU, order["mtu"]))
    return _NEWROUTE, _CREATE | _REPLACE, body


def _neighbour(order: Order, _far: int) -> Message:
    head = struct.pack("=BxHiHBB", _socket.AF_INET, 0, _socket.if_nametoindex(order["device"]), _NUD_PERMANENT, 0, 0)
    body = _attribute(_NDA_DST, _socket.inet_aton(order["address"])) + _attribute(_NDA_LLADDR, _mac(order["mac"]))
    return _NEWNEIGH, _CREATE_NEW, head + body


def _forward(order: Order, _far: int) -> Message:
    index = _socket.if_nametoindex(order["port"])
    head = struct.pack("=BxHiHBB", _socket.AF_BRIDGE, 0, index, _NUD_NOARP, _NTF_MASTER, 0)
    return _NEWNEIGH, _CREATE | _REPLACE, head + _attribute(_NDA_LLADDR, _mac(order["mac"]))


# An order, and for a cable or a move the descriptor of the far place's network or -1 → what to send.
_ENCODERS: dict[str, Callable[[Order, int], Message]] = {
    "bridge": _bridge,
    "cable": _cable,
    "change": _change,
    "move": _move,
    "isolation": _isolation,
    "removal": _removal,
    "address": _address,
    "route": _route,
    "neighbour": _neighbour,
    "forward": _forward,
}


def carry_out(orders: list[Order], pin: Callable[[str], str]) -> None:
    """Carry out orders in the calling thread's network, in turn. `pin` gives the file of another place's network.

    `OSError` names the first order that the kernel refuses, and why.
    """
    kernel = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_ROUTE)
    try:
        kernel.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        for order in orders:
            _carry_out(kernel, order, pin)
    finally:
        kernel.close()


def _carry_out(kernel: _socket.socket, order: Order, pin: Callable[[str], str]) -> None:
    far = os.open(pin(order["far_place"]), os.O_RDONLY) if order.get("far_place") else -1
    try:
        _ask(kernel, *_ENCODERS[order["kind"]](order, far))
    except OSError as error:
        raise OSError(f"{_told(order)}: {error.strerror or error}") from error
    finally:
        if far >= 0:
            os.close(far)


def _ask(kernel: _socket.socket, kind: int, flags: int, body: bytes) -> None:
    """One message and its acknowledgement, which is there when `send` returns."""
    kernel.send(struct.pack("=IHHII", 16 + len(body), kind, flags | _REQUEST_ACK, 0, 0) + body)
    answer = kernel.recv(65_536)
    length, answered, answer_flags = struct.unpack_from("=IHH", answer)
    number = -struct.unpack_from("=i", answer, 16)[0] if answered == _ERROR else 0
    if number:
        raise OSError(number, os.strerror(number) + _reason(answer[:length], answer_flags))


def _reason(answer: bytes, flags: int) -> str:
    """What the kernel adds in words to an error's number, where it does (`NLMSGERR_ATTR_MSG`)."""
    if not flags & _TLVS:
        return ""
    echoed = 16 if flags & _CAPPED else (struct.unpack_from("=I", answer, 20)[0] + 3) & ~3
    rest = answer[20 + echoed :]
    while len(rest) >= 4:
        length, kind = struct.unpack_from("=HH", rest)
        if kind == _ACK_TEXT:
            return f" ({rest[4:length].rstrip(bytes(1)).decode()})"
        rest = rest[(length + 3) & ~3 :]
    return ""


def _told(order: Order) -> str:
    """An order for people: its kind and what it was given."""
    given = (value["name"] if isinstance(value, dict) else value for name, value in order.items() if name != "kind")
    return " ".join([order["kind"], *(str(value) for value in given if value and value is not True)])
