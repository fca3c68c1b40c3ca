"""Servers on loopback to be probed: real ones that hold three small studies, and broken ones."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from loopback import free_ports
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from nodes.endpoints import Endpoint
from nodes.pacs import orthanc

NAMES = ("ALPHA^ANNE", "BETA^BERT", "Müller^Jörg")
SLICES = 3
_STARTS_WITHIN_S = 60.0


def instances() -> Iterator[bytes]:
    """Three studies of one series, as files."""
    for study, name in enumerate(NAMES, 1):
        for number in range(1, SLICES + 1):
            yield _file(_instance(study, name, number))


def _instance(study: int, name: str, number: int) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = MRImageStorage, f"2.25.{study}.1.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"2.25.{study}", f"2.25.{study}.1"
    made.PatientName, made.PatientID, made.Modality = name, f"P{study}", "MR"
    made.StudyDate, made.StudyTime, made.StudyDescription = "20260101", "101010", "HEAD"
    made.AccessionNumber, made.StudyID, made.SeriesNumber, made.InstanceNumber = f"A{study}", "1", 1, number
    made.Rows = made.Columns = 16
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.PixelData = bytes(16 * 16 * 2)
    return made


def _file(content: Dataset) -> bytes:
    content.file_meta = FileMetaDataset()
    content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content.file_meta.MediaStorageSOPClassUID = content.SOPClassUID
    content.file_meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID
    written = BytesIO()
    content.save_as(written, enforce_file_format=True)
    return written.getvalue()


def dial(host: str, port: int, timeout_s: float) -> socket.socket:
    """A connection from this machine."""
    return socket.create_connection((host, port), timeout_s)


@contextmanager
def _running(argv: list[str], log: Path, nodelay: bool = True) -> Iterator[None]:
    environment = {**os.environ, **({"TCP_NODELAY": "1"} if nodelay else {})}
    with log.open("w") as words:
        process = subprocess.Popen(argv, stdout=words, stderr=words, env=environment)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _wait(answers: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            answers()
        except (httpx.HTTPError, OSError):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return


@contextmanager
def orthanc_with_studies(folder: Path) -> Iterator[Endpoint]:
    """The testbed's own Orthanc; the worker is not among the modalities that it knows."""
    web, dimse = free_ports(2)
    (folder / "storage").mkdir(parents=True)
    settings = orthanc._variables("lyon", str(folder / "storage"), web, orthanc.OrthancHabits(), dimse=True)
    (folder / "orthanc.json").write_text(orthanc.render({**settings, "dimse_port": dimse}))
    log = folder / "log"
    with _running([orthanc._found_program(), str(folder / "orthanc.json")], log):
        with httpx.Client(base_url=f"http://127.0.0.1:{web}", timeout=_STARTS_WITHIN_S) as client:
            _wait(lambda: client.get("/system").raise_for_status(), log)
            for content in instances():
                client.post("/instances", content=content).raise_for_status()
        yield Endpoint("lyon", "127.0.0.1", f"http://127.0.0.1:{web}/dicom-web/", dimse, aet="LYON")


_DCMQRSCP = """NetworkTCPPort = {port}
MaxPDUSize = 32768
MaxAssociations = 16
HostTable BEGIN
worker = (WORKER, 127.0.0.1, {nowhere})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ARCHIVE {folder} RW (20, 100mb) ANY
AETable END
"""


@contextmanager
def dcmqrscp_with_studies(folder: Path, nodelay: bool = True) -> Iterator[Endpoint]:
    """DCMTK's archive, which knows the worker but finds nobody at its port."""
    if shutil.which("dcmqrscp") is None:
        pytest.skip("dcmtk is not installed")
    port, nowhere = free_ports(2)
    files = folder / "files"
    files.mkdir(parents=True)
    for number, content in enumerate(instances()):
        (files / f"{number}.dcm").write_bytes(content)
    subprocess.run(["dcmqridx", files, *files.glob("*.dcm")], check=True)
    (folder / "dcmqrscp.cfg").write_text(_DCMQRSCP.format(port=port, nowhere=nowhere, folder=files))
    log = folder / "log"
    with _running(["dcmqrscp", "-c", str(folder / "dcmqrscp.cfg")], log, nodelay):
        _wait(lambda: dial("127.0.0.1", port, 5).close(), log)
        yield Endpoint("lyon", "127.0.0.1", None, port, aet="ARCHIVE", move_port=nowhere, nodelay=nodelay)


@contextmanager
def saying(answer: bytes, holds: bool = False) -> Iterator[int]:
    """A port where everybody who sends something hears `answer` and the end of the connection; `holds`: no end."""
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        heard: list[socket.socket] = []
        while not done.is_set():
            try:
                made, _ = listener.accept()
            except OSError:
                continue
            heard.append(made)
            made.settimeout(5)
            try:
                made.recv(1 << 16)
                made.sendall(answer)
                if not holds:
                    made.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for made in heard:
            made.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()
