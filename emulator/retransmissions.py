"""What TCP sent again, by site, direction and purpose: from the kernel's own figures of every connection (TCP_INFO).

The sender knows what it repeats: the worker's connections tell of what leaves the site, the hub's and the PACS's of
what comes to it. A connection that ends between two readings tells its last figures as it ends (the kernel's sock_diag
broadcasts them to whoever listens), also when its process was killed; so none is lost, and each is known by its cookie,
so none counts twice.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal, Self

from emulator.inside.agent import at, pin
from emulator.ledger import PURPOSES, Purpose, attributes, messages
from emulator.places import (
    CONTROL_PORT,
    DICOMWEB_PORT,
    DIMSE_PORT,
    HUB_ADDRESS,
    MODEL_PORT,
    MOVE_PORT,
    STUDY_PORT,
    UPDATE_PORT,
    gateway_address,
    worker_address,
)

Way = Literal["rx", "tx"]
Key = tuple[str, Purpose, Way]

_HUB_PURPOSES: dict[int, Purpose] = {
    CONTROL_PORT: "control",
    MODEL_PORT: "model",
    UPDATE_PORT: "update",
    STUDY_PORT: "studies",
}
_PACS_PORTS = (DICOMWEB_PORT, DIMSE_PORT)
_HEADER_BYTES = 40
_TIMESTAMP_BYTES = 12


@dataclass(frozen=True)
class Repeated:
    """Wire bytes, IP headers in. `sent`: sent a second time. `came`: the part of it whose first copy had come as well
    (the receiver reports such segments in D-SACKs, RFC 2883; their size is taken as the mean of what was sent again).
    """

    sent: int = 0
    came: int = 0

    def __add__(self, other: Self) -> "Repeated":
        return Repeated(self.sent + other.sent, self.came + other.came)

    def __sub__(self, other: Self) -> "Repeated":
        return Repeated(self.sent - other.sent, self.came - other.came)


@dataclass(frozen=True)
class Connection:
    """One TCP connection as the kernel tells of it; `cookie` is its number for ever."""

    cookie: int
    local: tuple[str, int]
    remote: tuple[str, int]
    repeated: Repeated


class Tally:
    """Adds up connections that are read again and again, and once more as they end."""

    def __init__(self) -> None:
        self.totals: dict[Key, Repeated] = {}
        self._known: dict[int, Repeated] = {}

    def see(self, key: Key, connection: Connection) -> None:
        """Takes a reading of a connection."""
        before, read = self._known.get(connection.cookie, Repeated()), connection.repeated
        now = Repeated(read.sent, max(read.came, before.came))  # a mean may sink a little; what came has come
        self.totals[key] = self.totals.get(key, Repeated()) + (now - before)
        self._known[connection.cookie] = now

    def end(self, key: Key, connection: Connection) -> None:
        """Takes the last reading of a connection."""
        self.see(key, connection)
        del self._known[connection.cookie]


@dataclass(frozen=True)
class Resent:
    """What was sent again to a site (`rx`) and from it (`tx`) for one purpose."""

    rx: Repeated = Repeated()
    tx: Repeated = Repeated()


class Retransmissions:
    """Listens at the places of many sites, from inside their world. `sites`: index by name."""

    def __init__(self, sites: Mapping[str, int]) -> None:
        self._sites = dict(sites)
        # Through a Toxiproxy a site reaches the hub from its gateway.
        ends = (worker_address, gateway_address)
        self._site_at = {address(index): name for name, index in sites.items() for address in ends}
        self._tally = Tally()
        self._before: dict[Key, Repeated] = {}
        self._listeners = {place: _Listener(place) for place in _places(sites)}

    def take(self) -> dict[str, dict[Purpose, Resent]]:
        """What was sent again since the last taking."""
        for place, listener in self._listeners.items():
            for connection in listener.open_ones():
                if key := self._key(place, connection):
                    self._tally.see(key, connection)
            for connection in listener.ended_ones():
                if key := self._key(place, connection):
                    self._tally.end(key, connection)
        now, before, self._before = self._tally.totals, self._before, dict(self._tally.totals)

        def since(site: str, purpose: Purpose, way: Way) -> Repeated:
            key = (site, purpose, way)
            return now.get(key, Repeated()) - before.get(key, Repeated())

        return {
            site: {purpose: Resent(since(site, purpose, "rx"), since(site, purpose, "tx")) for purpose in PURPOSES}
            for site in self._sites
        }

    def close(self) -> None:
        """Listen no more."""
        for listener in self._listeners.values():
            listener.close()

    def _key(self, place: str, connection: Connection) -> Key | None:
        """Whose and what for a connection is; None where a reading elsewhere tells of it."""
        site, _, role = place.partition("/")
        (_, local_port), (remote, remote_port) = connection.local, connection.remote
        if role == "worker":
            return site, _purpose(local_port, remote, remote_port), "tx"
        if remote not in self._site_at:
            return None
        if role == "pacs":
            return (site, "pull", "rx") if local_port in _PACS_PORTS or remote_port == MOVE_PORT else None
        return self._site_at[remote], _HUB_PURPOSES.get(local_port, "control"), "rx"


def _places(sites: Iterable[str]) -> Sequence[str]:
    """The hub, every worker, and every PACS whose machine is a namespace (a virtual one has a kernel of its own)."""
    pacs = [f"{site}/pacs" for site in sites if Path(pin(f"{site}/pacs")).exists()]
    return ["hub", *(f"{site}/worker" for site in sites), *pacs]


def _purpose(local_port: int, remote: str, port: int) -> Purpose:
    """Of a worker's connection."""
    if remote == HUB_ADDRESS:
        return _HUB_PURPOSES.get(port, "control")
    return "pull" if port in _PACS_PORTS or local_port == MOVE_PORT else "control"


# The kernel's protocol: linux/sock_diag.h, linux/inet_diag.h, struct tcp_info of linux/tcp.h.
_NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20
_DUMP_REQUEST = 0x301
_DONE = 3
_ERROR = 2
_FAMILIES = (socket.AF_INET, socket.AF_INET6)  # a server on [::] speaks IPv4 by sockets of the second
_TCP_ENDS = 1 << 0 | 1 << 2  # the multicast groups of both families' TCP sockets that end
_WITH_INFO = 1 << 1
_INFO = 2
_LISTEN, _TIME_WAIT, _NEW = 10, 6, 12
_STATES = 0xFFFF & ~(1 << _LISTEN | 1 << _TIME_WAIT | 1 << _NEW)  # the others have no figures
_BODY_BYTES = 72
_ROOM_BYTES = 4 << 20
_TOTAL_RETRANS, _BYTES_RETRANS, _DSACK_DUPS, _OPTIONS = 100, 208, 216, 5


class _Listener:
    """Reads the connections of one place."""

    def __init__(self, place: str) -> None:
        with at(place):
            self._asks = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
            self._hears = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_SOCK_DIAG)
        self._hears.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
        self._hears.bind((0, _TCP_ENDS))

    def open_ones(self) -> Iterator[Connection]:
        """Every connection that there is now."""
        for family in _FAMILIES:
            yield from self._of_family(family)

    def _of_family(self, family: int) -> Iterator[Connection]:
        request = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, _WITH_INFO, 0, _STATES) + bytes(48)
        self._asks.send(struct.pack("=IHHII", 16 + len(request), _BY_FAMILY, _DUMP_REQUEST, 1, 0) + request)
        while True:
            for kind, body in messages(self._asks.recv(65_536)):
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    raise OSError(number, f"reading TCP's figures: {os.strerror(number)}")
                yield from _connection(body)

    def ended_ones(self) -> Iterator[Connection]:
        """Every connection that has ended since the last asking."""
        while True:
            try:
                data = self._hears.recv(65_536)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue  # more ended than there was room for: those keep the figures that they were last read with
            for _, body in messages(data):
                yield from _connection(body)

    def close(self) -> None:
        self._asks.close()
        self._hears.close()


def _connection(body: bytes) -> Iterator[Connection]:
    """The connection that a message tells of, if it has figures."""
    info = dict(attributes(body[_BODY_BYTES:])).get(_INFO)
    if info is None or len(info) < _DSACK_DUPS + 4:
        return
    local_port, remote_port = struct.unpack_from(">HH", body, 4)
    address = 12 if body[0] == socket.AF_INET6 else 0  # the last four of ::ffff:10.0.0.2's sixteen bytes
    local, remote = (str(IPv4Address(body[start + address : start + address + 4])) for start in (8, 24))
    (cookie,) = struct.unpack_from("=Q", body, 44)
    yield Connection(cookie, (local, local_port), (remote, remote_port), _repeated(info))


def _repeated(info: bytes) -> Repeated:
    segments, came_twice = (struct.unpack_from("=I", info, offset)[0] for offset in (_TOTAL_RETRANS, _DSACK_DUPS))
    if not segments:
        return Repeated()
    (payload,) = struct.unpack_from("=Q", info, _BYTES_RETRANS)
    header = _HEADER_BYTES + (_TIMESTAMP_BYTES if info[_OPTIONS] & 1 else 0)
    sent = payload + header * segments
    return Repeated(sent, sent * min(came_twice, segments) // segments)
