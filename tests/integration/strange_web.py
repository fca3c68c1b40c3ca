"""A DICOMweb server that behaves as it is told to: well, oddly, or badly."""

import contextlib
import io
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pydicom

_TAGS = {"study": "0020000D", "series": "0020000E", "instance": "00080018"}


@dataclass
class Habits:
    """What the server does. `studies`: files by study, series and instance UID."""

    studies: dict[str, dict[tuple[str, str], bytes]]
    page: int | None = None
    ignores_offset: bool = False
    includefield: bool = True
    accept: str = ""  # a form that Accept must contain
    single: bool = False  # one instance as application/dicom
    whole: bool = True  # False: 500 for whole studies and series
    files: bool = True  # False: 500 for instances as well; they have metadata and frames
    authorization: str = ""
    closed: int = 0  # so many retrievals are refused first
    retry_after: str = "0"
    hangs_up: bool = False  # after each answer, though it said keep-alive
    html: bool = False
    boundary: str = "abc"  # in the body, whatever the header says
    short: int = 0  # so many instances are left out of a whole study, without a word
    stops_after: int | None = None  # bytes of a retrieval's body, once
    silent: bool = False
    asked: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    habits: Habits

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        habits = self.habits
        url = urlsplit(self.path)
        habits.asked.append(f"{self.headers['Accept']} {self.path}")
        if habits.silent:
            time.sleep(3)
            self.close_connection = True
            return
        if habits.authorization and self.headers["Authorization"] != habits.authorization:
            self._answer(401, "text/plain", b"who are you?")
        elif habits.html:
            self._answer(200, "text/html", b"<html>Sign in</html>")
        elif match := re.search(r"/instances/([^/]+)/(metadata|frames/[0-9,]+)$", url.path):
            self._of_instance(match[1], match[2])
        elif "json" in self.headers["Accept"]:
            self._list(url.path, parse_qs(url.query))
        else:
            self._retrieve(url.path)
        if habits.hangs_up:
            self.close_connection = True

    def _list(self, path: str, query: dict[str, list[str]]) -> None:
        habits = self.habits
        found = [
            {"study": study, "series": series, "instance": instance}
            for study, files in habits.studies.items()
            if study in path or path.endswith("/studies")
            for series, instance in files
        ]
        keys = ("study",) if path.endswith("/studies") else ("study", "series", "instance")
        if not habits.includefield and not path.endswith("/metadata"):
            keys = keys[:1] if len(keys) == 1 else ("instance",)
        rows = list(dict.fromkeys(tuple((key, row[key]) for key in keys) for row in found))
        if not path.endswith("/metadata"):
            offset = 0 if habits.ignores_offset else int(query["offset"][0])
            rows = rows[offset : offset + min(habits.page or 10_000, int(query["limit"][0]))]
        items = [{_TAGS[key]: {"vr": "UI", "Value": [value]} for key, value in row} for row in rows]
        self._answer(200, "application/dicom+json", json.dumps(items).encode())

    def _of_instance(self, uid: str, what: str) -> None:
        (data,) = [data for files in self.habits.studies.values() for (_, one), data in files.items() if one == uid]
        dataset = pydicom.dcmread(io.BytesIO(data))
        if what == "metadata":
            pixels = {"7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"}}
            told = {tag: element for tag, element in dataset.to_json_dict(1 << 40).items() if tag not in pixels}
            self._answer(200, "application/dicom+json", json.dumps([{**told, **pixels}]).encode())
            return
        planes = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
        wanted = [planes[int(number) - 1].tobytes() for number in what.removeprefix("frames/").split(",")]
        mark = b"--" + self.habits.boundary.encode()
        body = b"".join(
            mark + b"\r\nContent-Type: application/octet-stream\r\n\r\n" + plane + b"\r\n" for plane in wanted
        )
        kind = 'multipart/related; type="application/octet-stream"; boundary=abc'
        self._answer(200, kind, body + mark + b"--\r\n")

    def _retrieve(self, path: str) -> None:
        habits = self.habits
        if habits.closed:
            habits.closed -= 1
            self._answer(503, "text/plain", b"closed for the night", {"Retry-After": habits.retry_after})
            return
        if habits.accept not in self.headers["Accept"]:
            self._answer(406, "text/plain", b"not acceptable")
            return
        match = re.fullmatch(r"/dicom-web/studies/([^/]+)(?:/series/([^/]+))?(?:/instances/([^/]+))?", path)
        assert match
        study, series, instance = match.groups()
        if not habits.files or (not habits.whole and not instance):
            self._answer(500, "text/plain", b"too much")
            return
        files = [
            data
            for (one, uid), data in habits.studies.get(study, {}).items()
            if series in (None, one) and instance in (None, uid)
        ]
        if not series:
            files = files[: len(files) - habits.short]
        if habits.single and instance:
            self._answer(200, "application/dicom", files[0])
            return
        mark = habits.boundary.encode()
        body = b"".join(
            b"--" + mark + b"\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n" for data in files
        )
        body += b"--" + mark + b"--\r\n"
        self._answer(200, 'multipart/related; type="application/dicom"; boundary=abc', body)

    def _answer(self, status: int, kind: str, body: bytes, more: dict[str, Any] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        habits = self.habits
        if habits.stops_after is not None and kind.startswith("multipart"):
            body, habits.stops_after = body[: habits.stops_after], None
            self.close_connection = True
        self.wfile.write(body)


@contextlib.contextmanager
def served(habits: Habits, certificate: str = "", key: str = "") -> Iterator[str]:
    """The address of its DICOMweb root."""
    handler = type("Handler", (_Handler,), {"habits": habits})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            scheme = "https" if certificate else "http"
            yield f"{scheme}://127.0.0.1:{server.server_address[1]}/dicom-web/"
        finally:
            server.shutdown()
            thread.join()
