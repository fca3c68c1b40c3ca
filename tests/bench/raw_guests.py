"""Fifty clones by QEMU alone: no libvirt, no world, no identity. What `bench_vm_fifty.py` compares with.

Run as `raw_guests.py FOLDER KERNEL INITRD ROOT ARGUMENTS CONFIGURATION COUNT` in namespaces of its own; prints the
seconds from the first clone's start to the last answer. The golden guest is saved when its Orthanc answers; every clone
has a tap and a bridge of its own, and all have the same inner address.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator.machines.vm.channel import NAME, Channel
from emulator.waiting import wait_until

_MEMORY = 192 * 2**20
_GUEST, _HOST, _PORT = "10.9.9.2", "10.9.9.1", 8042
_WITHIN_S = 180.0
_BIND_TO_DEVICE = 25


def _argv(folder: Path, name: str, boots: Sequence[str], shared: bool) -> list[str]:
    kernel, initrd, root, arguments = boots
    share = "on" if shared else "off"
    return [
        *(
            "qemu-system-x86_64",
            "-M",
            "pc,memory-backend=golden",
            "-accel",
            "tcg,tb-size=32",
            "-m",
            "192M",
            "-nodefaults",
        ),
        *("-object", f"memory-backend-file,id=golden,size={_MEMORY},mem-path={folder}/memory,share={share}"),
        *("-kernel", kernel, "-initrd", initrd, "-append", arguments, "-display", "none", "-no-reboot"),
        *("-drive", f"file={root},format=raw,if=none,id=base,readonly=on", "-device", "virtio-blk-pci,drive=base"),
        *("-netdev", f"tap,id=lan,ifname=t{name},script=no,downscript=no", "-device", "virtio-net-pci,netdev=lan"),
        *("-device", "virtio-serial", "-chardev", f"socket,id=agent,path={folder}/{name}.agent,server=on,wait=off"),
        *("-device", f"virtserialport,chardev=agent,name={NAME}"),
        *("-serial", f"file:{folder}/{name}.console", "-qmp", f"unix:{folder}/{name}.qmp,server=on,wait=off"),
        *(() if shared else ("-incoming", "defer")),
    ]


class Monitor:
    """A QEMU's own monitor."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            said = json.loads(self._lines.readline())
            if "error" in said:
                raise RuntimeError(f"{command}: {said['error']}")
            if "return" in said:
                return said["return"]

    def leave_memory(self) -> None:
        self.ask("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])

    def finished(self) -> bool:
        return bool(self.ask("query-migrate").get("status") == "completed")


def _cabled(name: str) -> None:
    for words in (
        f"tuntap add t{name} mode tap",
        f"link add b{name} type bridge",
        f"link set t{name} master b{name} up",
        f"link set b{name} up",
        f"address add {_HOST}/24 dev b{name}",
    ):
        subprocess.run(["ip", *words.split()], check=True)


def _answers(name: str) -> bool:
    with suppress(OSError), socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, _BIND_TO_DEVICE, f"b{name}".encode())
        asked.settimeout(1.0)
        asked.connect((_GUEST, _PORT))
        asked.sendall(b"GET /system HTTP/1.0\r\nHost: x\r\n\r\n")
        return b" 200 " in asked.recv(64)
    return False


def _make(folder: Path, boots: Sequence[str], configuration: str) -> None:
    _cabled("golden")
    qemu = subprocess.Popen(_argv(folder, "golden", boots, True))
    try:
        wait_until((folder / "golden.agent").exists, within_s=_WITHIN_S, what="QEMU")
        with Channel(folder / "golden.agent") as channel:
            script = f"""set -e
ip address add {_GUEST}/24 dev eth0
ip link set eth0 up
mkdir -p /run/pacs/storage
cat > /run/pacs/orthanc.json <<'END'
{configuration}
END
cd /run/pacs
setsid Orthanc orthanc.json > log 2>&1 < /dev/null &
"""
            channel.run(script, _WITHIN_S, "the golden guest")
            wait_until(lambda: _answers("golden"), within_s=_WITHIN_S, what="Orthanc in the golden guest")
            monitor = Monitor(folder / "golden.qmp")
            monitor.ask("stop")
            monitor.leave_memory()
            monitor.ask("migrate", uri=f"exec:cat > {folder}/state")
            wait_until(monitor.finished, within_s=_WITHIN_S, what="the golden guest's state")
    finally:
        qemu.kill()
        qemu.wait()


def _resume(folder: Path, name: str) -> None:
    wait_until((folder / f"{name}.qmp").exists, within_s=_WITHIN_S, what="QEMU")
    monitor = Monitor(folder / f"{name}.qmp")
    monitor.leave_memory()
    monitor.ask("migrate-incoming", uri=f"exec:cat {folder}/state")
    wait_until(monitor.finished, within_s=_WITHIN_S, what="a clone's state")
    monitor.ask("cont")


def main(folder: Path, boots: Sequence[str], configuration: str, count: int) -> float:
    _make(folder, boots, configuration)
    names = [str(number) for number in range(count)]
    for name in names:
        _cabled(name)
    began = time.monotonic()
    clones = [subprocess.Popen(_argv(folder, name, boots, False)) for name in names]
    try:
        for name in names:
            _resume(folder, name)
        for name in names:
            wait_until(lambda name=name: _answers(name), within_s=_WITHIN_S, what=f"clone {name}")  # type: ignore[misc]
        return time.monotonic() - began
    finally:
        for clone in clones:
            clone.kill()
        for clone in clones:
            clone.wait()


if __name__ == "__main__":
    took = main(Path(sys.argv[1]), sys.argv[2:6], Path(sys.argv[6]).read_text(), int(sys.argv[7]))
    print(took)
