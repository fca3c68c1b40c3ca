"""A guest of an image by QEMU alone, without a world: what the image promises, whoever starts it."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loopback import free_ports

from emulator.images import Image

_UP_WITHIN_S = 120.0  # of an emulated processor on a machine that others use as well


@dataclass
class Channel:
    """The host's end of a guest's channel."""

    socket: socket.socket

    def ask(self, script: str | bytes) -> tuple[int, str]:
        """Run a shell script in the guest: its exit code and what it printed."""
        text = script.encode() if isinstance(script, str) else script
        self.socket.sendall(b"%d\n" % len(text) + text)
        return self.answer()

    def answer(self) -> tuple[int, str]:
        head = b""
        while not head.endswith(b"\n"):
            head += self._some(1)
        status, size = head.split()
        body = b""
        while len(body) < int(size):
            body += self._some(int(size) - len(body))
        return int(status), body.decode()

    def _some(self, most: int) -> bytes:
        got = self.socket.recv(most)
        assert got, "the guest's end is gone"
        return got


@dataclass
class Guest:
    folder: Path
    process: "subprocess.Popen[bytes]"
    ports: dict[int, int]

    def console(self) -> str:
        return (self.folder / "console").read_text(errors="replace")

    @contextlib.contextmanager
    def channel(self, within_s: float = 60.0) -> Iterator[Channel]:
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(within_s)
            made.connect(str(self.folder / "agent"))
            yield Channel(made)


@contextlib.contextmanager
def booted(image: Image, folder: Path, *ports: int, megabytes: int = 256) -> Iterator[Guest]:
    """A guest under TCG, ready to be asked; `ports` of it are reached on loopback (its address is 10.0.2.15)."""
    reached = dict(zip(ports, free_ports(len(ports)), strict=True))
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{outer}-10.0.2.15:{inner}" for inner, outer in reached.items())
    words = [
        *("qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-machine", "pc"),
        *("-accel", "tcg,tb-size=32", "-m", str(megabytes), "-serial", f"file:{folder}/console"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", image.arguments),
        *(
            "-drive",
            f"file={image.root},format=raw,if=none,id=root,readonly=on",
            "-device",
            "virtio-blk-pci,drive=root",
        ),
        *("-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off"),
        *("-device", "virtserialport,chardev=agent,name=testbed.agent"),
        *("-netdev", f"user,id=lan,restrict=on{forwards}", "-device", "virtio-net-pci,netdev=lan"),
    ]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    guest = Guest(folder, process, reached)
    try:
        deadline = time.monotonic() + _UP_WITHIN_S
        while "testbed: ready" not in (guest.console() if (folder / "console").exists() else ""):
            assert process.poll() is None, f"QEMU ended: {guest.console()[-2000:]}"
            assert time.monotonic() < deadline, f"the guest did not come up: {guest.console()[-2000:]}"
            time.sleep(0.05)
        yield guest
    finally:
        process.kill()
        process.wait()
