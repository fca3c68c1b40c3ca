"""What the policy does not open is closed: every pair of places, many ports, and every trick that we know of.

Proven twice each time: the counter of what was refused grows by just what was sent, and no interface behind the policy
(the router's, the hub's, the sites') gets a single frame.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import frames
import pytest
from frames import ACK, ICMP, IPV4, RST, SYN, TCP, UDP
from networks import make_site, make_topology, quiet

from emulator.places import HUB_ADDRESS, PROBE_PORTS, gateway_address, pacs_address, worker_address
from emulator.topology.resolved import Opening, Topology
from emulator.wiring import ROUTER_ADDRESS, ROUTER_MAC, WAN_ADDRESS, uplink_mac
from emulator.worlds import World

pytestmark = pytest.mark.integration

SITES = ("clinic-01", "clinic-02", "county")
ADDRESSES = {
    "hub": HUB_ADDRESS,
    **{
        site + role: address(index)
        for index, site in enumerate(SITES, 1)
        for role, address in (("", gateway_address), ("/pacs", pacs_address), ("/worker", worker_address))
    },
}
HUBS_OWN = (8000, 8001, 8002, *PROBE_PORTS)
PORTS = (1, 9, 22, 53, 80, 443, 4242, 5000, 5201, 7999, *HUBS_OWN, 8003, 8042, 8043, 32_768, 65_535)
OPENED = (
    Opening("hub", "county/pacs", "tcp", 8042),
    *(Opening(site, "hub", "udp", 5000) for site in SITES[:2]),
)
BRIDGE_MAC = "02:02:00:00:00:02"
ME, MY_MAC, MY_ADDRESS = "clinic-01", uplink_mac(1), gateway_address(1)

_SEND = """
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("wan", 0))
for frame in sys.stdin.read().split():
    out.send(bytes.fromhex(frame))
"""
_TRY = """
import json, socket, sys
for kind, host, port in json.load(sys.stdin):
    if kind == "tcp":
        tried = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tried.setblocking(False)
        tried.connect_ex((host, port))
    elif kind == "udp":
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", (host, port))
    else:
        ping = bytes.fromhex(sys.argv[1])
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(ping, (host, 0))
"""
_SERVE_TCP = """
import socket
server = socket.create_server(("", 8042))
while True:
    caller, _ = server.accept()
    while said := caller.recv(99):
        caller.sendall(said.upper())
"""
_SERVE_UDP = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 5000))
said, caller = server.recvfrom(99)
server.sendto(said.upper(), caller)
server.sendto(b"unasked", (caller[0], caller[1] + 1))
"""
_ASK_UDP = """
import socket, sys
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(30)
asking.sendto(b"hello", (sys.argv[1], 5000))
print(asking.recv(99).decode())
"""


@pytest.fixture(scope="module")
def topology() -> Topology:
    sites = [make_site(index, "regional", name) for index, name in enumerate(SITES, 1)]
    return replace(make_topology("policy", sites), policy=OPENED)


@pytest.fixture(scope="module")
def world(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESTBED_HOME", str(tmp_path_factory.mktemp("home")))
        try:
            yield World.up(topology, "policy", [], None, quiet)
        finally:
            World.down("policy")


def _refused(world: World, sender: str) -> int:
    return world.refused()[sender].packets


def _passed(world: World) -> dict[str, int]:
    """Frames that got past the policy: given to the router, and received at each end of the WAN."""

    def count(place: str, interface: str, way: str) -> int:
        printed = world.output(place, ["ip", "-j", "-s", "link", "show", interface])[1]
        return int(json.loads(printed)[0]["stats64"][way]["packets"])

    ends = {place: count(place, "wan", "rx") for place in ("hub", *SITES)}
    return {"router": count("wan", "r0", "tx"), **ends}


def _at_rest(world: World) -> dict[str, int]:
    """`_passed`, once nothing passes any more: a connection's last answers are on their way for some milliseconds."""
    before = _passed(world)
    for _ in range(100):
        time.sleep(0.03)
        now = _passed(world)
        if now == before:
            return now
        before = now
    raise AssertionError(f"traffic never came to rest: {before}")


def _python(world: World, place: str, program: str, given: str, *arguments: str) -> None:
    argv = [sys.executable, "-I", "-S", "-c", program, *arguments]
    running = world.run(place, argv, stdin=_pipe(given), stdout=subprocess.DEVNULL)
    assert running.wait() == 0


def _pipe(text: str) -> int:
    reading, writing = socket.socketpair()
    writing.sendall(text.encode())
    writing.close()
    return reading.detach()


def _all_are_refused(world: World, sender: str, count: int, before: int, passed: dict[str, int]) -> None:
    until = time.monotonic() + 30
    while _refused(world, sender) - before < count and time.monotonic() < until:
        time.sleep(0.02)
    assert _refused(world, sender) - before == count
    assert _passed(world) == passed


def _frames_are_refused(world: World, sender: str, *sent: bytes) -> None:
    before, passed = _refused(world, sender), _at_rest(world)
    _python(world, sender, _SEND, " ".join(frame.hex() for frame in sent))
    _all_are_refused(world, sender, len(sent), before, passed)


def _is_open(source: str, to: str, kind: str, port: int) -> bool:
    if "hub" in (source, to) and "pacs" not in source + to and (kind == "icmp" or (kind, to) == ("tcp", "hub")):
        return kind == "icmp" or port in HUBS_OWN
    return Opening(source, to, kind, port) in OPENED  # type: ignore[arg-type] - icmp is never opened


def _forbidden(source: str) -> list[tuple[str, str, int]]:
    """All that a place may not send to any other that is not of its own site."""
    far = [place for place in ADDRESSES if place.split("/")[0] != source.split("/")[0]]
    kinds = [("icmp", 0), *((kind, port) for kind in ("tcp", "udp") for port in PORTS)]
    return [(kind, ADDRESSES[to], port) for to in far for kind, port in kinds if not _is_open(source, to, kind, port)]


@pytest.mark.parametrize("source", ADDRESSES)
def test_no_place_reaches_another_on_any_port_that_is_not_open(world: World, source: str) -> None:
    tries, sender = _forbidden(source), source.split("/")[0]
    before, passed = _refused(world, sender), _passed(world)
    _python(world, source, _TRY, json.dumps(tries), frames.icmp(8).hex())
    _all_are_refused(world, sender, len(tries), before, passed)
    assert len(tries) > 100


def _mine(payload: bytes, protocol: int = TCP, to: str = HUB_ADDRESS, **more: object) -> bytes:
    return frames.ipv4(MY_ADDRESS, to, protocol, payload, **more)  # type: ignore[arg-type] - of one helper


def _to_router(packet: bytes, source: str = MY_MAC) -> bytes:
    return frames.ethernet(ROUTER_MAC, source, IPV4, packet)


def _call(source: str, to: str = HUB_ADDRESS, port: int = 8000) -> bytes:
    """A packet that opens a connection to a port of the hub."""
    return frames.ipv4(source, to, TCP, frames.tcp(source, to, (40_000, port)))


FINE = _call(MY_ADDRESS)
NOBODY = "0.0.0.0"  # noqa: S104 - an address that a frame carries, and nobody binds
LINK_LOCAL, EVERYBODY = "fe80::1", "ff02::1"
FIRST = frames.tcp(MY_ADDRESS, HUB_ADDRESS, (40_000, 8000))
FORGED = {
    **{f"source {address}": address for address in (HUB_ADDRESS, ROUTER_ADDRESS, WAN_ADDRESS, "127.0.0.1")},
    **{f"source of {name}": ADDRESSES[name] for name in ("clinic-02", "clinic-02/worker", "county/pacs")},
    "source of its PACS": pacs_address(1),
    "source nobody's": "10.0.1.77",
    "source multicast": "224.0.0.1",
    "source 0.0.0.0": NOBODY,
}
FRAMES = {
    "ARP asks for the router": frames.ethernet(
        "ff:ff:ff:ff:ff:ff", MY_MAC, frames.ARP, frames.arp(1, MY_MAC, MY_ADDRESS, "00:00:00:00:00:00", ROUTER_ADDRESS)
    ),
    "ARP claims the hub's address": frames.ethernet(
        "ff:ff:ff:ff:ff:ff", MY_MAC, frames.ARP, frames.arp(2, MY_MAC, HUB_ADDRESS, MY_MAC, HUB_ADDRESS)
    ),
    "ARP tells the router": frames.ethernet(
        ROUTER_MAC, MY_MAC, frames.ARP, frames.arp(2, MY_MAC, gateway_address(2), ROUTER_MAC, ROUTER_ADDRESS)
    ),
    "IPv6 asks for neighbours": frames.ethernet(
        "33:33:00:00:00:01", MY_MAC, frames.IPV6, frames.ipv6(LINK_LOCAL, EVERYBODY, 58, frames.solicitation("fe80::2"))
    ),
    "IPv6 to the router": frames.ethernet(
        ROUTER_MAC, MY_MAC, frames.IPV6, frames.ipv6(LINK_LOCAL, "fe80::2", 6, frames.tcp(NOBODY, NOBODY, (1, 2)))
    ),
    **{name: _to_router(_call(address)) for name, address in FORGED.items()},
    **{f"{name}, and its MAC": _to_router(_call(address), uplink_mac(2)) for name, address in FORGED.items()},
    "its own address with another's MAC": _to_router(FINE, uplink_mac(0)),
    "to the router's own address": _to_router(_call(MY_ADDRESS, ROUTER_ADDRESS, 22)),
    "a ping of the router": _to_router(_mine(frames.icmp(8), ICMP, ROUTER_ADDRESS)),
    "to the hub by the bridge's MAC": frames.ethernet(BRIDGE_MAC, MY_MAC, IPV4, FINE),
    "to the bridge": frames.ethernet(BRIDGE_MAC, MY_MAC, IPV4, _call(MY_ADDRESS, WAN_ADDRESS)),
    "to the hub past the router": frames.ethernet(uplink_mac(0), MY_MAC, IPV4, FINE),
    "to another site past the router": frames.ethernet(
        uplink_mac(2), MY_MAC, IPV4, _call(MY_ADDRESS, worker_address(2))
    ),
    "to everybody's MAC": frames.ethernet("ff:ff:ff:ff:ff:ff", MY_MAC, IPV4, FINE),
    "to a multicast MAC": frames.ethernet("01:00:5e:00:00:01", MY_MAC, IPV4, FINE),
    "to everybody's address": _to_router(_call(MY_ADDRESS, "255.255.255.255")),
    "to a multicast address": _to_router(_call(MY_ADDRESS, "224.0.0.1")),
    "in a VLAN": frames.ethernet(ROUTER_MAC, MY_MAC, frames.VLAN, b"\0\5\x08\0" + FINE),
    "in VLAN 0": frames.ethernet(ROUTER_MAC, MY_MAC, frames.VLAN, b"\0\0\x08\0" + FINE),
    "in two VLANs": frames.ethernet(ROUTER_MAC, MY_MAC, frames.QINQ, b"\0\5\x81\0\0\6\x08\0" + FINE),
    **{
        f"ethertype {kind:#06x}": frames.ethernet(ROUTER_MAC, MY_MAC, kind, FINE)
        for kind in (0x0026, 0x8847, 0x8863, 0x8864, 0x888E, 0x88CC, 0x88E5, 0x9000)
    },
    "a bridge's hello": frames.ethernet("01:80:c2:00:00:00", MY_MAC, 0x0026, b"\x42\x42\x03" + bytes(35)),
    "a source route": _to_router(_mine(FIRST, options=b"\x83\x07\x04" + bytes([10, 0, 2, 3]) + b"\0")),
    "a recorded route": _to_router(_mine(FIRST, options=b"\x07\x07\x04" + bytes(5))),
    "a router's alert": _to_router(_mine(FIRST, options=b"\x94\x04\0\0")),
    "the ports alone as a first fragment": _to_router(_mine(FIRST[:8], more=True)),
    "a whole segment as a first fragment": _to_router(_mine(FIRST + bytes(4), more=True)),
    "a later fragment that looks like ports": _to_router(_mine(FIRST, offset=8)),
    "a fragment over the ports": _to_router(_mine(FIRST[8:], offset=8, more=True)),
    "a fragment of a datagram": _to_router(_mine(frames.udp(MY_ADDRESS, HUB_ADDRESS, (1, 5000)), UDP, more=True)),
    "a later fragment of a datagram": _to_router(_mine(bytes(64), UDP, offset=1480)),
    "IP of version 6 by its header alone": _to_router(_mine(FIRST, version=6)),
    "a packet cut off in its header": _to_router(_mine(FIRST)[:15]),
    **{
        f"protocol {number}": _to_router(_mine(FIRST, number)) for number in (0, 2, 4, 33, 41, 47, 50, 51, 58, 132, 136)
    },
    **{
        f"ICMP of type {kind}": _to_router(_mine(frames.icmp(kind, code), ICMP))
        for kind, code in ((4, 0), (5, 1), (9, 0), (10, 0), (13, 0), (15, 0), (17, 0), (40, 0))
    },
    "a ping of another site's worker": _to_router(_mine(frames.icmp(8), ICMP, worker_address(2))),
    "a late piece of a ping to another site": _to_router(_mine(bytes(64), ICMP, worker_address(2), offset=1480)),
}


def test_the_frames_of_the_tricks_would_get_through_if_they_were_honest(world: World) -> None:
    before, passed = _refused(world, ME), _passed(world)
    _python(world, ME, _SEND, _to_router(FINE).hex())
    until = time.monotonic() + 30  # the hub's kernel says that nobody listens there, and that comes back
    while _passed(world)[ME] == passed[ME] and time.monotonic() < until:
        time.sleep(0.02)
    now = _at_rest(world)
    assert {place for place in now if now[place] != passed[place]} == {"router", "hub", ME}
    assert _refused(world, ME) == before


@pytest.mark.parametrize("trick", FRAMES)
def test_no_trick_of_a_site_gets_a_frame_past_the_policy(world: World, trick: str) -> None:
    _frames_are_refused(world, ME, FRAMES[trick])


def _from_hub(to: str, ports: tuple[int, int], flags: int, source: str = HUB_ADDRESS) -> bytes:
    packet = frames.ipv4(source, to, TCP, frames.tcp(source, to, ports, flags))
    return frames.ethernet(ROUTER_MAC, uplink_mac(0), IPV4, packet)


@pytest.mark.parametrize("port", HUBS_OWN[:4])
def test_no_flags_let_the_hub_speak_first(world: World, port: int) -> None:
    """From its own ports, where answers come from, to a worker that has not called."""
    worker = worker_address(2)
    _frames_are_refused(
        world, "hub", *(_from_hub(worker, (port, to), flags) for flags in range(64) for to in (22, 40_000))
    )


HUB_FRAMES = {
    "a site's address": _from_hub(worker_address(1), (8000, 22), SYN, worker_address(2)),
    "the router's address": _from_hub(worker_address(1), (8000, 22), SYN, ROUTER_ADDRESS),
    "a site past the router": frames.ethernet(
        uplink_mac(1), uplink_mac(0), IPV4, frames.ipv4(HUB_ADDRESS, gateway_address(1), ICMP, frames.icmp(8))
    ),
    "a ping of a PACS": _to_router(frames.ipv4(HUB_ADDRESS, pacs_address(1), ICMP, frames.icmp(8)), uplink_mac(0)),
    "a ping of nobody at a site": _to_router(frames.ipv4(HUB_ADDRESS, "10.0.1.9", ICMP, frames.icmp(8)), uplink_mac(0)),
    "a redirect": _to_router(frames.ipv4(HUB_ADDRESS, worker_address(1), ICMP, frames.icmp(5, 1)), uplink_mac(0)),
    "an answer to no datagram": _to_router(
        frames.ipv4(HUB_ADDRESS, MY_ADDRESS, UDP, frames.udp(HUB_ADDRESS, MY_ADDRESS, (5000, 40_000))), uplink_mac(0)
    ),
}


@pytest.mark.parametrize("trick", HUB_FRAMES)
def test_no_trick_of_the_hub_gets_a_frame_past_the_policy(world: World, trick: str) -> None:
    _frames_are_refused(world, "hub", HUB_FRAMES[trick])


def _listening(world: World, place: str, port: int) -> None:
    until = time.monotonic() + 30
    while f":{port} " not in world.output(place, ["ss", "-Hltun"])[1]:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[None]:
    """A PACS of county that answers on the port that is open."""
    argv = [sys.executable, "-I", "-S", "-c", _SERVE_TCP]
    serving = world.run("county/pacs", argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _listening(world, "county/pacs", 8042)
    yield
    serving.signal(subprocess.signal.SIGKILL)  # type: ignore[attr-defined] - the module that it imports
    serving.wait()


def test_an_open_port_answers_and_its_answers_go_nowhere_else(world: World, server: None) -> None:
    pacs = ADDRESSES["county/pacs"]
    with world.connect("hub", pacs, 8042) as call:
        port = call.getsockname()[1]
        call.sendall(b"hello")
        assert call.recv(99) == b"HELLO"
        packets = [(port + 1, ACK), (8042, SYN | ACK), (port, SYN), (8000, SYN)]
        forged = [
            frames.ipv4(pacs, HUB_ADDRESS, TCP, frames.tcp(pacs, HUB_ADDRESS, (8042, to), flags))
            for to, flags in packets
        ]
        other = frames.ipv4(pacs, HUB_ADDRESS, TCP, frames.tcp(pacs, HUB_ADDRESS, (8043, port), RST))
        _frames_are_refused(world, "county", *(_to_router(one, uplink_mac(3)) for one in (*forged, other)))
        call.sendall(b"again")
        assert call.recv(99) == b"AGAIN"


def test_an_open_datagram_port_answers_who_asked_and_nobody_else(world: World) -> None:
    argv = [sys.executable, "-I", "-S", "-c", _SERVE_UDP]
    serving = world.run("hub", argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _listening(world, "hub", 5000)
    before = _refused(world, "hub")
    code, said = world.output("clinic-02", [sys.executable, "-I", "-S", "-c", _ASK_UDP, HUB_ADDRESS])
    serving.wait()
    assert (code, said.strip()) == (0, "HELLO")
    until = time.monotonic() + 30
    while _refused(world, "hub") == before and time.monotonic() < until:
        time.sleep(0.02)
    assert _refused(world, "hub") - before == 1  # what was said to a port that had not asked


def test_a_changed_policy_changes_the_rules_and_no_connection(world: World, topology: Topology, server: None) -> None:
    pacs = ADDRESSES["county/pacs"]
    with world.connect("hub", pacs, 8042) as call:
        refused, up = _refused(world, "hub"), world.record.init_pid
        other = replace(topology, policy=(Opening("hub", "clinic-01/worker", "tcp", 8042),))
        plan = world.planned(other, [])
        assert (plan.policy, plan.relink, plan.restart, plan.tree) == (True, (), (), False)
        changed = World.up(other, "policy", [], None, quiet)
        try:
            assert changed.record.init_pid == up
            assert _refused(changed, "hub") >= refused
            assert changed.output("hub", _knock(worker_address(1)))[0] == 1  # refused by the worker, who can be reached
            assert changed.output("hub", _knock(pacs))[0] == 124
            assert _refused(changed, "hub") > refused
            call.sendall(b"still")  # no longer opened: what was begun before is over too, as with any stricter policy
            call.settimeout(1)
            with pytest.raises(TimeoutError):
                call.recv(99)
        finally:
            World.up(topology, "policy", [], None, quiet)
        call.settimeout(30)
        assert call.recv(99) == b"STILL"


def _knock(host: str) -> list[str]:
    return ["timeout", "1", "bash", "-c", f"exec 3<>/dev/tcp/{host}/8042"]
