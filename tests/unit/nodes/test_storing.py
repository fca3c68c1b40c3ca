"""Studies that are brought into a PACS by C-STORE lie nowhere but where they may."""

import socket
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from import_data import dicom
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, evt

from nodes.endpoints import Endpoint
from nodes.storing import Dimse


class Loopback:
    """The network of this machine."""

    def transport(self, tls: Any = None) -> httpx.BaseTransport:
        return httpx.HTTPTransport(verify=tls or True)

    def connect(self, host: str, port: int, timeout_s: float) -> socket.socket:
        return socket.create_connection((host, port), timeout_s)


def test_an_instance_lies_in_the_folder_that_was_given_while_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "shared"))
    (tmp_path / "own").mkdir()
    found: list[list[Path]] = []

    def store(event: evt.Event) -> int:
        found.append([path.relative_to(tmp_path) for path in tmp_path.rglob("*.dcm")])
        return 0

    pacs = AE("PACS")
    pacs.add_supported_context(MRImageStorage, ExplicitVRLittleEndian)
    server = pacs.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    data = memoryview(dicom(tmp_path / "given", 1).read_bytes())
    try:
        endpoint = Endpoint("lyon", "127.0.0.1", None, server.socket.getsockname()[1])
        Dimse(Loopback(), endpoint, tmp_path / "own").store({"1.2.3.1": data})
    finally:
        server.shutdown()
    assert found == [[Path("own/instance.dcm")]]
