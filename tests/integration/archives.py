"""Real PACS on loopback with a few small studies in them, and a relay before them that cuts."""

import contextlib
import json
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
from loopback import free_ports

from nodes.cohorts import scanners
from nodes.dicom import enhanced, single
from nodes.dicom.study import Context
from nodes.endpoints import Endpoint
from nodes.phantoms.grids import Grid
from nodes.phantoms.subjects import Subject
from nodes.phantoms.volumes import Scan

CONTEXT = Context("lyon", 7, scanners.get("3T"))
SLICES, EDGE = 12, 48


def subject(number: int) -> Subject:
    rng = np.random.SeedSequence(number)
    from nodes.phantoms.subjects import draw

    return draw(number, "control", rng)


def scan(number: int, slices: int = SLICES, edge: int = EDGE) -> Scan:
    shape = (slices, edge, edge)
    stored = np.random.default_rng(number).integers(0, 4000, shape, dtype=np.uint16)
    return Scan(stored, 0.5, Grid(shape, (-10.0, -5.0, 5.0), (2.5, 1.25, 1.25)))


def study(number: int, storage: str = "single-frame") -> list[bytes]:
    kind = single if storage == "single-frame" else enhanced
    person = subject(number)
    return [*kind.mri_files(CONTEXT, person, scan(number)), *kind.pet_files(CONTEXT, person, scan(-number % 1000))]


def uid(number: int) -> str:
    return CONTEXT.uid(subject(number), "study")


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return
        assert process.poll() is None, "the server has ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def running(argv: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={"TCP_NODELAY": "1", "PATH": "/usr/bin"}
        )
    try:
        wait_for_port(port, process)
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def orthanc(folder: Path, files: list[bytes], move_port: int, **settings: object) -> Iterator[Endpoint]:
    """Orthanc with these files, DICOMweb and DIMSE."""
    web, dimse = free_ports(2)
    plugin = next(
        path
        for path in ("/usr/share/orthanc/plugins/libOrthancDicomWeb.so", "/usr/lib/orthanc/libOrthancDicomWeb.so")
        if Path(path).exists()
    )
    configuration = {
        "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"), "Plugins": [plugin],
        "HttpPort": web, "DicomPort": dimse, "DicomAet": "ORTHANC", "RemoteAccessAllowed": True, "HttpThreadsCount": 4,
        "AuthenticationEnabled": False, "DicomAlwaysAllowGet": True, "DicomAlwaysAllowFind": True,
        "DicomModalities": {"worker": ["WORKER", "127.0.0.1", move_port]}, "TcpNoDelay": True, "KeepAlive": True,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}, "StorageCompression": False, "SaveJobs": False,
        "DicomAlwaysAllowMove": True, "DicomCheckCalledAet": False, **settings,
    }  # fmt: skip
    (folder / "storage").mkdir(parents=True)
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "Orthanc"
    with running([program, str(folder / "orthanc.json")], web, folder / "log"):
        with httpx.Client(base_url=f"http://127.0.0.1:{web}") as client:
            for file in files:
                client.post("/instances", content=file).raise_for_status()
        yield Endpoint("lyon", "127.0.0.1", f"http://127.0.0.1:{web}/dicom-web/", dimse, "ORTHANC", "WORKER", move_port)


_QRSCP = """
NetworkTCPPort = {port}
MaxPDUSize = 65536
MaxAssociations = 16
HostTable BEGIN
worker = (WORKER, 127.0.0.1, {move_port})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
QRSCP {storage} RW (200, 1024mb) ANY
AETable END
"""


@contextlib.contextmanager
def dcmqrscp(folder: Path, files: list[bytes], move_port: int) -> Iterator[Endpoint]:
    """DCMTK's archive with these files: DIMSE only."""
    (port,) = free_ports(1)
    (folder / "storage").mkdir(parents=True)
    (folder / "files").mkdir()
    for number, file in enumerate(files):
        (folder / "files" / f"{number}.dcm").write_bytes(file)
    text = _QRSCP.format(port=port, move_port=move_port, storage=folder / "storage")
    (folder / "qrscp.cfg").write_text(text)
    argv = ["dcmqrscp", "--config", str(folder / "qrscp.cfg")]
    with running(argv, port, folder / "log"):
        stored = [
            "storescu",
            "--call",
            "QRSCP",
            "--required",
            "--scan-directories",
            "127.0.0.1",
            str(port),
            str(folder / "files"),
        ]
        subprocess.run(stored, check=True, env={"TCP_NODELAY": "1", "PATH": "/usr/bin"})
        yield Endpoint("lyon", "127.0.0.1", None, port, "QRSCP", "WORKER", move_port)


class Relay:
    """A TCP relay to a port of loopback. Bytes from the server count, or with `caller` those of who calls.

    Once `cut_after` of them have passed, the connection ends: with a FIN, or where `reset` is set with a RST. After
    `stall_after` the connection stays and nothing more comes. Both happen once. A context manager.
    """

    def __init__(self, port: int, listen: int = 0, caller: bool = False) -> None:
        self._target = port
        self._caller = caller
        self._listener = socket.create_server(("127.0.0.1", listen))
        self._ends, self._end = socket.socketpair()
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.cut_after: int | None = None
        self.stall_after: int | None = None
        self.reset = False
        self.carried = 0

    def __enter__(self) -> "Relay":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()
        for thread in self._threads:
            thread.join(20)
        self._listener.close()
        self._ends.close()

    def _start(self, what: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=what, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while self._ends not in (ready := select.select([self._listener, self._ends], [], [])[0]):
            assert ready
            client, _ = self._listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._start(self._carry, client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client, server, contextlib.suppress(OSError):
            while self._ends not in (ready := select.select([client, server, self._ends], [], [])[0]):
                source, sink = (client, server) if client in ready else (server, client)
                data = source.recv(65_536)
                counted = (source is client) == self._caller
                if not data or not self._pass(data, sink, counted):
                    return

    def _pass(self, data: bytes, sink: socket.socket, counted: bool) -> bool:
        """Send on what may pass; False where the connection ends with it."""
        if not counted:
            sink.sendall(data)
            return True
        data = data[: self.cut_after or self.stall_after]
        sink.sendall(data)
        self.carried += len(data)
        if self.stall_after is not None:
            self.stall_after -= len(data)
            if not self.stall_after:
                self.stall_after = None
                select.select([self._ends, sink], [], [])  # until somebody gives up
                return False
        if self.cut_after is not None:
            self.cut_after -= len(data)
            if not self.cut_after:
                self.cut_after = None
                if self.reset:
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
        return True
