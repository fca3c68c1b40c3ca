"""The first process of the WAN's user-mode kernel: loads what shaping needs, then takes orders over TCP.

Started as `python -I -S router.py ADDRESS/PREFIX MAC PORT TABLES`. An order is a connection of its own: the words of a
command with NULs between them, a line's end, then the command's input to the end. The answer is the exit code, a line's
end, then the command's output. Only the world's own network reaches it: the policy lets no site speak to the router
itself. `tc` finds its tables of distributions in TABLES. It prints `READY` as soon as it takes orders.

System calls cost ten times the host's here, and so do imports (subprocess with socket and contextlib 70 ms, json 27,
pathlib 16, lzma 4): it makes do without.
"""

from __future__ import annotations

import _socket
import os
import sys

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from emulator.inside import netlink, syscalls

READY = "ready"

_MODULES = (
    *("sch_netem", "sch_htb", "cls_u32"),
    *("sch_codel", "sch_fq_codel", "sch_cake"),
    *("sch_ingress", "act_mirred", "ifb"),
)
_WAITING = ((b"ip", b"-batch", b"-"), (b"tc", b"-batch", b"-"))  # for input: starting one takes longer than its work
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
    control = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    # The driver's `gro=0` leaves the kernel's own merging on: netem would lose two packets and count one.
    syscalls.set_ethtool(control.fileno(), "vec0", _RECEIVE_OFFLOAD, 0)
    control.close()
    with open("/proc/sys/net/ipv4/ip_forward", "w") as setting:
        setting.write("1")


class Program:
    """A program that waits for its input."""

    def __init__(self, words: tuple[bytes, ...]) -> None:
        given, self._input = os.pipe()
        self._said = os.memfd_create("said")  # takes any amount while the input is still being written
        actions = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate((given, self._said, self._said))]
        try:
            self._pid = os.posix_spawnp(words[0], words, os.environ, file_actions=actions)
        finally:
            os.close(given)

    def run(self, text: bytes) -> bytes:
        """Give it its input; its exit code, a line's end, and what it said."""
        try:
            while text:
                text = text[os.write(self._input, text) :]
        except BrokenPipeError:  # it has read enough: it says why
            pass
        os.close(self._input)
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        said = os.pread(self._said, os.fstat(self._said).st_size, 0)
        os.close(self._said)
        return b"%d\n" % code + said


def _obey(order: bytes, waiting: dict[tuple[bytes, ...], Program]) -> bytes:
    first, _, text = order.partition(b"\n")
    words = tuple(first.split(b"\0"))
    return (waiting.pop(words, None) or Program(words)).run(text)


def _received(connection: _socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def _serve(address: str, port: int) -> None:
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(128)
    print(READY, flush=True)
    waiting: dict[tuple[bytes, ...], Program] = {}
    while True:
        for words in _WAITING:
            if words not in waiting:
                waiting[words] = Program(words)
        number, _ = listener._accept()  # type: ignore[attr-defined]  # `accept` is `socket`'s own
        connection = _socket.socket(fileno=number)
        try:
            if order := _received(connection):  # who only looks whether we listen has none
                connection.sendall(_obey(order, waiting))
        except ConnectionError:  # who asked may have been killed meanwhile
            pass
        connection.close()


def main() -> None:
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", TC_LIB_DIR=sys.argv[4])
    syscalls.mount("proc", "/proc", "proc")
    syscalls.mount("sysfs", "/sys", "sysfs")
    _load_modules()
    address, _, prefix = sys.argv[1].partition("/")
    _prepare(address, int(prefix), sys.argv[2])
    _serve(address, int(sys.argv[3]))


if __name__ == "__main__":
    main()
