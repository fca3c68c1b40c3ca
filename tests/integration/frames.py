"""Ethernet frames by hand, right down to their checksums: what the policy refuses must not be what the kernel would."""

import socket
import struct

IPV4, ARP, VLAN, QINQ, IPV6 = 0x0800, 0x0806, 0x8100, 0x88A8, 0x86DD
ICMP, TCP, UDP = 1, 6, 17
SYN, RST, ACK = 0x02, 0x04, 0x10


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ethernet(to: str, source: str, kind: int, payload: bytes) -> bytes:
    return mac(to) + mac(source) + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def ipv4(
    source: str,
    to: str,
    protocol: int,
    payload: bytes,
    *,
    options: bytes = b"",
    offset: int = 0,
    more: bool = False,
    version: int = 4,
) -> bytes:
    """A packet; `offset` is that of a fragment, in bytes."""
    words = 5 + len(options) // 4
    place = offset // 8 | (0x2000 if more else 0)
    addresses = socket.inet_aton(source) + socket.inet_aton(to)
    total = 4 * words + len(payload)
    head = struct.pack("!BBHHHBBH", version << 4 | words, 0, total, 7, place, 64, protocol, 0) + addresses + options
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + payload


def tcp(source: str, to: str, ports: tuple[int, int], flags: int = SYN) -> bytes:
    head = struct.pack("!HHIIBBHHH", *ports, 1, 0, 5 << 4, flags, 65_535, 0, 0)
    return head[:16] + struct.pack("!H", _checksum(_pseudo(source, to, TCP, head) + head)) + head[18:]


def udp(source: str, to: str, ports: tuple[int, int], data: bytes = b"hello") -> bytes:
    head = struct.pack("!HHHH", *ports, 8 + len(data), 0) + data
    return head[:6] + struct.pack("!H", _checksum(_pseudo(source, to, UDP, head) + head)) + head[8:]


def icmp(kind: int, code: int = 0) -> bytes:
    head = struct.pack("!BBHHH", kind, code, 0, 7, 1) + b"hello..."
    return head[:2] + struct.pack("!H", _checksum(head)) + head[4:]


def arp(operation: int, source_mac: str, source: str, target_mac: str, target: str) -> bytes:
    ends = mac(source_mac) + socket.inet_aton(source) + mac(target_mac) + socket.inet_aton(target)
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + ends


def ipv6(source: str, to: str, following: int, payload: bytes) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to)
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 255) + addresses + payload


def solicitation(of: str) -> bytes:
    """ICMPv6: who has this address?"""
    return struct.pack("!BBHI", 135, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, of)


def _pseudo(source: str, to: str, protocol: int, segment: bytes) -> bytes:
    return socket.inet_aton(source) + socket.inet_aton(to) + struct.pack("!BBH", 0, protocol, len(segment))


def _checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
