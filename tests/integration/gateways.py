"""Gateways of `nodes.gateway` on loopback, in front of whatever listens on a port."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nodes.gateway.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
WITHIN_S = 60.0


@dataclass(frozen=True)
class Running:
    """A gateway that listens."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), WITHIN_S)

    def narrow(self) -> socket.socket:
        """A connection of which the kernel keeps little: what its caller does not take stays at the gateway."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        connection.settimeout(WITHIN_S)
        connection.connect((HOST, self.port))
        return connection

    def said(self, sent: bytes) -> bytes:
        """All that comes until the gateway closes the connection."""
        with self.connect() as connection:
            connection.sendall(sent)
            return received(connection)


def received(connection: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), WITHIN_S).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def gateway(folder: Path, archive_port: int, **habits: object) -> Iterator[Running]:
    """A gateway with habits, for as long as the block lasts."""
    port = free_port()
    path = folder / f"gateway-{port}.json"
    path.write_text(Settings("lyon", HOST, port, archive_port, **habits).text())  # type: ignore[arg-type]
    argv = [sys.executable, "-S", "-P", "-m", "nodes.gateway", str(path)]
    process = subprocess.Popen(argv, env={"PYTHONPATH": str(ROOT)})
    try:
        deadline = time.monotonic() + WITHIN_S
        while not listens(port):
            assert process.poll() is None, "the gateway has ended"
            assert time.monotonic() < deadline, "the gateway does not listen"
            time.sleep(0.01)
        yield Running(port, process)
    finally:
        process.kill()
        process.wait()
