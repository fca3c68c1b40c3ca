"""Bytes on the wire by site, direction and purpose, counted by the kernel at the worker's own interface.

Everything a worker sends or receives passes its one interface: studies from its PACS (`pull`), models to it
(`model`), updates from it (`update`), studies that it sends to the hub for centralised training (`studies`), all else
(`control`). nftables counts at the device's ingress and egress, so the parts add up to the interface's own counters
exactly. Purposes are told by port: the hub serves each on its own.
"""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from emulator.inside.agent import at
from emulator.places import (
    DICOMWEB_PORT,
    DIMSE_PORT,
    HUB_ADDRESS,
    MODEL_PORT,
    MOVE_PORT,
    STUDY_PORT,
    UPDATE_PORT,
    pacs_address,
)
from emulator.topology.resolved import Site
from emulator.wiring import Rules

Purpose = Literal["pull", "model", "update", "studies", "control"]
PURPOSES: tuple[Purpose, ...] = ("pull", "model", "update", "studies", "control")
ETHERNET_BYTES = 14

_TABLE = "ledger"


@dataclass(frozen=True)
class Count:
    """Wire bytes (IP headers and retransmissions in, Ethernet's 14 bytes out) and packets, as seen from the site."""

    rx_bytes: int = 0
    rx_packets: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0

    def __sub__(self, earlier: Self) -> "Count":
        return Count(
            self.rx_bytes - earlier.rx_bytes,
            self.rx_packets - earlier.rx_packets,
            self.tx_bytes - earlier.tx_bytes,
            self.tx_packets - earlier.tx_packets,
        )


Snapshot = dict[str, dict[Purpose, Count]]


def moved(before: Snapshot, now: Snapshot) -> Snapshot:
    """What was counted between two snaps. A counter that is lower than it was belongs to a site that was built anew:
    all that it holds has come since.
    """
    return {
        site: {purpose: _since(before.get(site, {}).get(purpose, Count()), count) for purpose, count in parts.items()}
        for site, parts in now.items()
    }


def _since(before: Count, now: Count) -> Count:
    anew = now.rx_packets < before.rx_packets or now.tx_packets < before.tx_packets
    return now if anew else now - before


def _chain(way: Literal["rx", "tx"], site: Site) -> str:
    hook, host, port, own = (
        ("ingress", "saddr", "sport", "dport") if way == "rx" else ("egress", "daddr", "dport", "sport")
    )
    pacs = pacs_address(site.index)
    return f"""
    chain {way} {{
        type filter hook {hook} device "eth0" priority -500; policy accept;
        ip {host} {pacs} tcp {port} {{ {DICOMWEB_PORT}, {DIMSE_PORT} }} counter name pull_{way} accept
        ip {host} {pacs} tcp {own} {MOVE_PORT} counter name pull_{way} accept
        ip {host} {HUB_ADDRESS} tcp {port} {MODEL_PORT} counter name model_{way} accept
        ip {host} {HUB_ADDRESS} tcp {port} {UPDATE_PORT} counter name update_{way} accept
        ip {host} {HUB_ADDRESS} tcp {port} {STUDY_PORT} counter name studies_{way} accept
        counter name control_{way}
    }}"""


def counters(site: Site) -> Rules:
    """The counters of one site, as nftables text for its worker's place."""
    named = "\n".join(f"    counter {purpose}_{way} {{ }}" for purpose in PURPOSES for way in ("rx", "tx"))
    text = f"table netdev {_TABLE} {{\n{named}{_chain('rx', site)}{_chain('tx', site)}\n}}\n"
    return Rules(f"{site.name}/worker", text)


class Ledger:
    """Reads the counters of many sites, from inside their world: one exchange with the kernel a site."""

    def __init__(self, sites: Sequence[str]) -> None:
        self._sockets: dict[str, socket.socket] = {}
        for site in sites:
            with at(f"{site}/worker"):
                self._sockets[site] = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)

    def snap(self) -> Snapshot:
        """What was counted since the world came up. The difference of two snaps loses nothing, doubles nothing."""
        return {site: _by_purpose(dict(_counters(reader))) for site, reader in self._sockets.items()}

    def close(self) -> None:
        for reader in self._sockets.values():
            reader.close()


def _by_purpose(counted: dict[str, tuple[int, int]]) -> dict[Purpose, Count]:
    result: dict[Purpose, Count] = {}
    for purpose in PURPOSES:
        rx_bytes, rx_packets = counted[f"{purpose}_rx"]
        tx_bytes, tx_packets = counted[f"{purpose}_tx"]
        # At egress the frame still carries its Ethernet header; at ingress the kernel has taken it off.
        result[purpose] = Count(rx_bytes, rx_packets, tx_bytes - ETHERNET_BYTES * tx_packets, tx_packets)
    return result


# The kernel's protocol: linux/netlink.h, linux/netfilter/nf_tables.h. pyroute2's nftables client knows no counters.
_NETLINK_NETFILTER = 12
_NFT_GETOBJ = (10 << 8) | 19
_DUMP_REQUEST = 0x301
_DONE = 3
_ERROR = 2
_FAMILY_NETDEV = 5
_NFTA_OBJ_NAME = 2
_NFTA_OBJ_DATA = 4
_NFTA_COUNTER_BYTES = 1
_NFTA_COUNTER_PACKETS = 2


def _counters(reader: socket.socket) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every named counter of a network namespace: (name, (bytes, packets))."""
    reader.send(struct.pack("=IHHIIBBH", 20, _NFT_GETOBJ, _DUMP_REQUEST, 1, 0, _FAMILY_NETDEV, 0, 0))
    while True:
        data = reader.recv(65_536)
        for kind, body in messages(data):
            if kind == _DONE:
                return
            if kind == _ERROR:
                number = -struct.unpack_from("=i", body)[0]
                raise OSError(number, f"reading counters: {os.strerror(number)}")
            yield _counter(dict(attributes(body[4:])))


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each of the kernel's messages in one datagram: (kind, body)."""
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each attribute in a message's body: (kind, value)."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3 :]


def _counter(found: dict[int, bytes]) -> tuple[str, tuple[int, int]]:
    name = found[_NFTA_OBJ_NAME].rstrip(b"\0").decode()
    values = dict(attributes(found[_NFTA_OBJ_DATA]))
    counted_bytes: int = struct.unpack(">Q", values[_NFTA_COUNTER_BYTES])[0]
    packets: int = struct.unpack(">Q", values[_NFTA_COUNTER_PACKETS])[0]
    return name, (counted_bytes, packets)
