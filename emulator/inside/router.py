"""The first process of the WAN's user-mode kernel: loads what shaping needs, then takes orders over TCP.

Started as `python -I -S router.py ADDRESS/PREFIX MAC PORT`. An order is one JSON line
`{"argv": [...], "text": "stdin"}`; the answer is one JSON line `{"code": 0, "output": "..."}`.
Only the world's own network can reach it: the policy lets no site speak to the router itself.
"""

import json
import lzma
import os
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from emulator.inside import syscalls

_MODULES = (
    *("sch_netem", "sch_htb", "cls_u32"),
    *("sch_codel", "sch_fq_codel", "sch_cake"),
    *("sch_ingress", "act_mirred", "ifb"),
)
_FOLDERS = ("/usr/lib/uml/modules", "/lib/modules")


def _image(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".")[0]


class Modules:
    """The kernel's modules with what each needs, as `modules.dep` tells; no modprobe, whose folder is fixed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        lines = (folder / "modules.dep").read_text().splitlines()
        pairs = (line.split(":", 1) for line in lines)
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
        syscalls.load_module(_image(self._folder / path))


def _load_modules() -> None:
    for folder in _FOLDERS:
        here = Path(folder) / os.uname().release
        if (here / "modules.dep").exists():
            modules = Modules(here)
            for name in _MODULES:
                modules.load(name)
            return


def _run(argv: list[str], text: str) -> dict[str, object]:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    return {"code": done.returncode, "output": done.stdout + done.stderr}


def _prepare(address: str, mac: str) -> None:
    for order in (
        "link set lo up",
        f"link set vec0 address {mac} up",
        f"address add {address} dev vec0",
    ):
        answer = _run(["ip", *order.split()], "")
        print(order, answer, flush=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _serve(address: str, port: int) -> None:
    with socket.create_server((address.split("/")[0], port)) as listener:
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                for line in stream:
                    order = json.loads(line)
                    stream.write(json.dumps(_run(order["argv"], order["text"])).encode() + b"\n")
                    stream.flush()


def main() -> None:
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    syscalls.mount("proc", "/proc", "proc")
    syscalls.mount("sysfs", "/sys", "sysfs")
    _load_modules()
    _prepare(sys.argv[1], sys.argv[2])
    _serve(sys.argv[1], int(sys.argv[3]))


if __name__ == "__main__":
    main()
