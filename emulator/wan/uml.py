"""A user-mode Linux kernel as the router, where the host's kernel has no netem.

It boots as an ordinary process with the host's files as its read-only root. Its one interface takes frames from a
veth by a raw socket, which needs no /dev/net/tun. Generic receive offload stays off: netem and the token buckets must
see single packets (and it carried more without: 413 against 375 Mbit/s at 40 ms where this was measured).
"""

import shutil
import socket
import sys
from pathlib import Path

from emulator.errors import Fell
from emulator.orders import Cable, Change
from emulator.reach import Agent, Launch
from emulator.topology.resolved import Topology
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
_WIDEN = Path(__file__).parent.parent / "inside" / "widen.py"
_ROUTER = Path(__file__).parent.parent / "inside" / "router.py"
STARTED = (
    *(sys.executable, "-I", "-S", str(Path(__file__).parent.parent / "inside" / "boot_uml.py"), _KERNEL),
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX_Fast_Unaligned_Load",
)
"""How a user-mode kernel's command line begins: what starts it, and what its programs find in their environment."""


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
            f"uml_dir={folder}/",
            "umid=wan",
            f"vec0:transport=raw,ifname={_PEER},depth=128,gro=0",
            f"init={sys.executable}",
            "--",
            *("-I", "-S", str(_ROUTER), f"{ROUTER_ADDRESS}/{WAN_PREFIX}", ROUTER_MAC, str(_ORDERS_PORT)),
        )
        agent.spawn([Launch("wan", argv, folder, {"TMPDIR": "/dev/shm"}, urgent=True)])  # noqa: S108 - the world's own tmpfs

    def wait(self, agent: Agent, folder: str) -> None:
        try:
            agent.wait_ready("wan", ROUTER_ADDRESS, _ORDERS_PORT, None, _BOOT_S, folder)
        except Fell as error:
            last = (Path(folder) / "log").read_text(errors="replace")[-2000:]
            raise Fell(f"the WAN's kernel did not come up: {error}\n{last}") from error
        self._make_room(agent, Path(folder))

    def _make_room(self, agent: Agent, folder: Path) -> None:
        """Without it packets are only more often missed, and rounds say so: no reason to have no world."""
        pid = (folder / "pid").read_text().split()[0]
        code, said = agent.output("wan", (sys.executable, "-I", "-S", str(_WIDEN), pid, str(_ROOM_BYTES)))
        if code:
            with (folder / "log").open("a") as log:
                log.write(f"its sockets keep the host's default room: {said}")

    def run(self, agent: Agent, argv: tuple[str, ...], text: str) -> str:
        with agent.connect("wan", ROUTER_ADDRESS, _ORDERS_PORT, 5.0) as orders:
            orders.settimeout(60.0)
            orders.sendall("\0".join(argv).encode() + b"\n" + text.encode())
            orders.shutdown(socket.SHUT_WR)
            code, _, output = orders.makefile("rb").read().decode(errors="replace").partition("\n")
        if code != "0":
            raise Fell(f"the router refused {' '.join(argv)}: {output.strip() or 'it has ended'}")
        return output
