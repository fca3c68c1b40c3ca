"""The first process of the WAN's user-mode kernel: loads what shaping needs, then takes orders over TCP.

Started as `python -I -S router.py ADDRESS/PREFIX MAC PORT`. An order is a connection of its own: the words of a command
with NULs between them, a line's end, then the command's input to the end. The answer is the exit code, a line's end,
then the command's output. Only the world's own network reaches it: the policy lets no site speak to the router itself.
System calls cost ten times the host's here, and so do imports (json 27 ms, pathlib 16, lzma 4): it makes do without.
"""

import contextlib
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from emulator.inside import netlink, syscalls

_MODULES = (
    *("sch_netem", "sch_htb", "cls_u32"),
    *("sch_codel", "sch_fq_codel", "sch_cake"),
    *("sch_ingress", "act_mirred", "ifb"),
)
_READY = [b"tc", b"-batch", b"-"]  # one waits for its input: starting it takes longer than a change of a link does
_RECEIVE_OFFLOAD = 0x2C  # ETHTOOL_SGRO of linux/ethtool.h
_FOLDERS = ("/usr/lib/uml/modules", "/lib/modules")


def _image(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read()
    if not path.endswith(".xz"):
        return data
    import lzma

    return lzma.decompress(data)


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".")[0]


class Modules:
    """The kernel's modules with what each needs, as `modules.dep` tells; no modprobe, whose folder is fixed."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        with open(f"{folder}/modules.dep") as lines:
            pairs = [line.split(":", 1) for line in lines]
        self._needs = {_stem(path): (path, needs.split()) for path, needs in pairs}
        self._loaded: set[str] = set()

    def load(self, name: str) -> None:
        """Load a module after those that it needs; one that is built in is not listed, and fine."""
        if name in self._loaded or name not in self._needs:
            return
        self._loaded.add(name)
        path, needs = self._needs[name]
        for need in reversed(needs):
            self.load(_stem(need))
        syscalls.load_module(_image(f"{self._folder}/{path}"))


def _load_modules() -> None:
    for folder in _FOLDERS:
        here = f"{folder}/{os.uname().release}"
        if os.path.exists(f"{here}/modules.dep"):
            modules = Modules(here)
            for name in _MODULES:
                modules.load(name)
            return


def _prepare(address: str, prefix: int, mac: str) -> None:
    change = {"kind": "change", "mac": None, "mtu": None, "bridge": None, "promiscuous": False, "single_packets": False}
    orders: list[netlink.Order] = [
        {**change, "name": "lo", "up": True},
        {**change, "name": "vec0", "up": True, "mac": mac},
        {"kind": "address", "device": "vec0", "address": address, "prefix": prefix},
    ]
    netlink.carry_out(orders, str)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        # The driver's `gro=0` leaves the kernel's own merging on: netem would lose two packets and count one.
        syscalls.set_ethtool(control.fileno(), "vec0", _RECEIVE_OFFLOAD, 0)
    with open("/proc/sys/net/ipv4/ip_forward", "w") as setting:
        setting.write("1")


def _started(words: list[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _obey(order: bytes, waiting: "subprocess.Popen[bytes]") -> bytes:
    words, _, text = order.partition(b"\n")
    program = waiting if words.split(b"\0") == _READY else _started(words.split(b"\0"))
    output, _ = program.communicate(text)
    return b"%d\n" % program.returncode + output


def _serve(address: str, port: int) -> None:
    with socket.create_server((address, port)) as listener:
        print("ready", flush=True)
        waiting = _started(_READY)
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                if order := stream.read():  # who only looks whether we listen has none
                    answer = _obey(order, waiting)
                    with contextlib.suppress(ConnectionError):  # who asked may have been killed meanwhile
                        connection.sendall(answer)
            if waiting.returncode is not None:
                waiting = _started(_READY)


def main() -> None:
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    syscalls.mount("proc", "/proc", "proc")
    syscalls.mount("sysfs", "/sys", "sysfs")
    _load_modules()
    address, _, prefix = sys.argv[1].partition("/")
    _prepare(address, int(prefix), sys.argv[2])
    _serve(address, int(sys.argv[3]))


if __name__ == "__main__":
    main()
