"""Servers on loopback to be probed: real ones that hold three small studies, and broken ones."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from loopback import free_ports
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from nodes.endpoints import Endpoint, Login, Tls
from nodes.pacs.orthanc_release import Installed

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
        except (httpx.HTTPError, OSError) as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server does not answer ({error}); it says: {log.read_text()}") from error
            time.sleep(0.02)
        else:
            return


@contextmanager
def orthanc_with_studies(folder: Path) -> Iterator[Endpoint]:
    """This system's Orthanc; the worker is not among the modalities that it knows."""
    with _orthanc(folder, {}, httpx.Client(trust_env=False)) as (web, dimse):
        yield Endpoint("lyon", "127.0.0.1", f"http://127.0.0.1:{web}/dicom-web/", dimse, aet="LYON")


@contextmanager
def guarded_orthanc(folder: Path) -> Iterator[Endpoint]:
    """One that asks callers for a login (Basic)."""
    login = Login("worker", "secret")
    guards = {"AuthenticationEnabled": True, "RegisteredUsers": {login.user: login.password}}
    client = httpx.Client(trust_env=False, auth=(login.user, login.password))
    with _orthanc(folder, guards, client) as (web, _):
        yield Endpoint("lyon", "127.0.0.1", f"http://127.0.0.1:{web}/dicom-web/", None, login=login)


class _Empty(BaseHTTPRequestHandler):
    """An archive that holds nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """No rows, to whatever is asked."""
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Patient(ThreadingHTTPServer):
    """Shakes hands in each connection's own thread, and minds no broken ones."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A caller without a certificate is turned away."""


@contextmanager
def mutual_server(folder: Path) -> Iterator[Endpoint]:
    """A web server that asks callers for a certificate (mutual TLS)."""
    authority, own, caller = _certificates(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
    context.load_cert_chain(own)
    context.verify_mode = ssl.CERT_REQUIRED
    with _Patient(("127.0.0.1", 0), _Empty) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        root = f"https://127.0.0.1:{server.server_address[1]}/"
        try:
            yield Endpoint("lyon", "127.0.0.1", root, None, web_tls=Tls(str(authority), str(caller), str(caller)))
        finally:
            server.shutdown()
            thread.join()


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority's certificate, and the certificates with their keys of 127.0.0.1 and of a caller."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _signed("authority", authority_key.public_key(), None, authority_key)
    files = [folder / f"{name}.pem" for name in ("authority", "server", "caller")]
    files[0].write_bytes(authority.public_bytes(Encoding.PEM))
    for file in files[1:]:
        key = ec.generate_private_key(ec.SECP256R1())
        signed = _signed(file.stem, key.public_key(), authority, authority_key)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(signed.public_bytes(Encoding.PEM) + private)
    return files[0], files[1], files[2]


def _signed(
    name: str, key: ec.EllipticCurvePublicKey, issuer: x509.Certificate | None, by: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(by, hashes.SHA256())
    )


@contextmanager
def _orthanc(folder: Path, further: Mapping[str, object], client: httpx.Client) -> Iterator[tuple[int, int]]:
    """Its ports for the web and for DIMSE."""
    web, dimse = free_ports(2)
    (folder / "storage").mkdir(parents=True)
    release = Installed()
    configuration = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [release.plugin("DicomWeb")],
        "HttpPort": web,
        "DicomPort": dimse,
        "DicomAet": "LYON",
        "DicomAlwaysAllowFind": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        **further,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    log = folder / "log"
    with _running([*release.program(), str(folder / "orthanc.json")], log):
        with client:
            client.base_url, client.timeout = httpx.URL(f"http://127.0.0.1:{web}"), _STARTS_WITHIN_S
            _wait(lambda: client.get("/system").raise_for_status(), log)
            for content in instances():
                client.post("/instances", content=content).raise_for_status()
        yield web, dimse


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
