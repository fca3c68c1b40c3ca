"""A user-mode Linux kernel as the router, where the host's kernel has no netem.

It boots as an ordinary process with the host's files as its read-only root. Its one interface takes frames from a
veth by a raw socket, which needs no /dev/net/tun. Generic receive offload stays off: netem and the token buckets must
see single packets (and it carried more without: 413 against 375 Mbit/s at 40 ms where this was measured).
"""

import re
import shutil
import socket
import sys
from pathlib import Path

from emulator.errors import Fell
from emulator.inside import router
from emulator.orders import Cable, Change
from emulator.reach import Agent, Launch
from emulator.topology.resolved import Topology
from emulator.wan.kernel import TABLES
from emulator.wiring import (
    ROUTER_ADDRESS,
    ROUTER_MAC,
    ROUTER_PORT,
    WAN_PREFIX,
    Wires,
)

_KERNEL = "linux.uml"
_MEMORY = "256M"  # taken only when touched: full queues of fifty fast links hold many packets
_ORDERS_PORT = 7000
_PEER = "uml"
# What the kernel would do at boot for drivers that a router never uses: 1.2 of 1.3 s, most of it RAID's self-test.
_SKIP = ("initcall_blacklist=raid6_select_algo,init_zswap,init_jfs_fs", "pty.legacy_count=0")
_BOOT_S = 60.0
_ROOM_BYTES = 4 << 20  # of packets that wait for the router: some thousand
# From cable to cable, where no queue delays: half of what idle round trips of 2 to 50 ms were too long by (0.19 to
# 0.20 ms, medians on a quiet machine).
_TRANSIT_US = 90
_DELAY = re.compile(r"( netem limit \d+ delay )(\d+)us")
_INSIDE = Path(router.__file__).parent
STARTED = (
    *(sys.executable, "-I", "-S", str(_INSIDE / "boot_uml.py"), _KERNEL),
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX_Fast_Unaligned_Load",
)
"""How a user-mode kernel's command line begins: what starts it, and what its programs find in their environment."""
_ROUTER = _INSIDE / "router.py"


class UmlKernel:
    name = "uml"
    device = "vec0"
    netem = True

    def why_not(self) -> str | None:
        if " " in f"{sys.executable}{_ROUTER}":
            return f"the path of this program has a space ({_ROUTER}), which a kernel's command line can't carry"
        if shutil.which(_KERNEL):
            return None
        return f"{_KERNEL} is not installed (Debian's package user-mode-linux)"

    def fitted(self, topology: Topology) -> Topology:
        return topology

    def places(self) -> tuple[str, ...]:
        return ()

    def cable(self) -> tuple[Wires, ...]:
        cable = Cable(Change(ROUTER_PORT, bridge="wan", up=True), Change(_PEER), None)
        return (Wires("wan", (cable, Change(_PEER, promiscuous=True, up=True)), (ROUTER_PORT, _PEER)),)

    def start(self, agent: Agent, folder: str) -> None:
        argv = (
            *STARTED,
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            f"mem={_MEMORY}",
            "con=null",
            "con0=null,fd:1",
            "quiet",
            *_SKIP,
            "uml_dir=/run/",  # the world's own, whose name never changes
            "umid=wan",
            f"vec0:transport=raw,ifname={_PEER},depth=128,gro=0",
            f"init={sys.executable}",
            "--",
            *("-I", "-S", str(_ROUTER), f"{ROUTER_ADDRESS}/{WAN_PREFIX}", ROUTER_MAC, str(_ORDERS_PORT), TABLES),
        )
        agent.spawn([Launch("wan", argv, folder, {"TMPDIR": "/dev/shm"}, urgent=True)])  # noqa: S108 - the world's own tmpfs

    def wait(self, agent: Agent, folder: str) -> None:
        """By its own word: a SYN that it drops while it boots would be sent again after a second only."""
        log = Path(folder) / "log"
        try:
            agent.wait_said(folder, router.READY, _BOOT_S)
        except Fell as error:
            last = log.read_text(errors="replace")[-2000:]
            raise Fell(f"the WAN's kernel did not come up: {error}\n{last}") from error
        try:
            agent.favour(folder, _ROOM_BYTES)
        except Fell as error:  # packets are only more often missed then, and rounds say so: no reason to have no world
            with log.open("a") as told:
                told.write(f"its sockets keep the host's default room: {error}\n")

    def run(self, agent: Agent, argv: tuple[str, ...], text: str) -> str:
        text = less_transit(text)
        with agent.connect("wan", ROUTER_ADDRESS, _ORDERS_PORT, 5.0) as orders:
            orders.settimeout(60.0)
            orders.sendall("\0".join(argv).encode() + b"\n" + text.encode())
            orders.shutdown(socket.SHUT_WR)
            code, _, output = orders.makefile("rb").read().decode(errors="replace").partition("\n")
        if code != "0":
            raise Fell(f"the router refused {' '.join(argv)}: {output.strip() or 'it has ended'}")
        return output


def less_transit(text: str) -> str:
    """Lines for `tc -batch` whose netems delay by less, so that with the router's own transit it is what was asked."""
    return _DELAY.sub(lambda found: f"{found[1]}{max(0, int(found[2]) - _TRANSIT_US)}us", text)
