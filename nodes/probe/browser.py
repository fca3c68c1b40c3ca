"""HTTP with a PACS, request by request: every answer is looked at, none is an error."""

import base64
import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nodes.endpoints import Endpoint, Login
from nodes.probe.line import Line

_MOST_BYTES = 64 << 20
_NEITHER = {401, 403, 429, 503, 504}  # not allowed, or not now: neither yes nor no
_SILENT_AT_MOST = 2  # as many unanswered requests, and no more are made


@dataclass(frozen=True)
class Answer:
    """What came back. `body` may be cut short where it was asked to be."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    first_byte_s: float

    @property
    def kind(self) -> str:
        """The content's type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def says_neither(self) -> bool:
        """Whether it tells nothing of what the server offers: not allowed, or not now."""
        return self.status in _NEITHER

    def rows(self) -> list[dict[str, Any]] | None:
        """DICOM JSON: a list of data sets; None where it is anything else."""
        if self.status == http.client.NO_CONTENT:
            return []
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, list) and all(isinstance(row, dict) for row in found) else None


class _Connection(http.client.HTTPConnection):
    def __init__(self, browser: "Browser") -> None:
        super().__init__(browser.host, browser.port)
        self._browser = browser
        self.opened = 0

    def connect(self) -> None:
        self.sock = self._browser.dial()
        self.opened += 1


class Browser:
    """Asks the DICOMweb server of an endpoint, over one connection that is kept where the server keeps it."""

    def __init__(self, line: Line, endpoint: Endpoint, certified: bool = True, login: bool = True) -> None:
        parts = urlsplit(endpoint.dicomweb or "")
        self._line = line
        self.endpoint = endpoint
        self._certified = certified
        self.host = parts.hostname or endpoint.host
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = endpoint.web_tls if parts.scheme == "https" else None
        self.root = parts.path.rstrip("/")
        self._headers = {"Host": parts.netloc, "Accept-Encoding": "identity"}
        if login and endpoint.login:
            self._headers["Authorization"] = _authorization(endpoint.login)
        self._connection = _Connection(self)
        self._silent = 0
        self.tls_version: str | None = None
        self.refused_tls = False
        self.why = ""

    def dial(self) -> socket.socket:
        """A new connection. Raises OSError."""
        made = self._line.open(self.host, self.port, self._tls, self._certified)
        if isinstance(made, ssl.SSLSocket):
            self.tls_version = made.version()
        return made

    @property
    def connections(self) -> int:
        """How many were opened until now."""
        return self._connection.opened

    @property
    def socket(self) -> socket.socket | None:
        """The open connection, where the server has kept it."""
        return self._connection.sock

    def get(self, path: str, accept: str | None = "application/dicom+json", most: int = _MOST_BYTES) -> Answer | None:
        """The answer to a GET below the DICOMweb root, or of an absolute path; None where none came (see `why`)."""
        return self._ask("GET", path, {} if accept is None else {"Accept": accept}, b"", most)

    def post(self, path: str, kind: str, body: bytes) -> Answer | None:
        """The answer to a POST."""
        return self._ask("POST", path, {"Content-Type": kind, "Accept": "application/dicom+json"}, body, _MOST_BYTES)

    def close(self) -> None:
        """Close the connection."""
        made = self._connection.sock
        self._connection.close()
        if made is not None:
            self._line.close(made)

    def verdict(self, answer: Answer | None, what: str) -> bool | None:
        """Whether the answer is a yes; None, with a finding, where it says neither yes nor no."""
        if answer is None:
            self._line.note(f"{what}: no answer ({self.why})")
            return None
        if answer.says_neither:
            self._line.note(f"{what}: {answer.status} {http.client.responses.get(answer.status, '')}".rstrip())
            return None
        return answer.status in (http.client.OK, http.client.NO_CONTENT, http.client.PARTIAL_CONTENT)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes, most: int) -> Answer | None:
        if self._silent >= _SILENT_AT_MOST or not self._line.left_s:
            self.why = "it had stopped answering" if self._line.left_s else "the time for probing was up"
            return None
        for attempt in ("kept", "fresh"):
            before = self.connections
            try:
                answer = self._exchange(method, path, {**self._headers, **headers}, body, most)
            except (http.client.RemoteDisconnected, ConnectionError) as error:
                self.close()
                self._tell(error)
                if attempt == "kept" and self.connections == before:  # the server had closed the idle one under us
                    continue
            except (http.client.HTTPException, OSError, ValueError) as error:
                self.close()
                self._tell(error)
            else:
                self._silent = 0
                return answer
            break
        self._silent += 1
        return None

    def _tell(self, error: Exception) -> None:
        self.refused_tls |= isinstance(error, ssl.SSLError)
        self.why = str(error) or type(error).__name__

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes, most: int) -> Answer:
        started = time.monotonic()
        target = path if path.startswith(f"{self.root}/") else self.root + path
        self._connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self._connection.putheader(name, value)
        if method == "POST":
            self._connection.putheader("Content-Length", str(len(body)))
        self._connection.endheaders(body or None)
        response = self._connection.getresponse()
        first_byte_s = time.monotonic() - started
        received = bytearray()
        while len(received) < most and (piece := response.read1(1 << 16)):
            received += piece
        if len(received) >= most:
            self.close()  # the rest is not wanted
        elif response.length:
            raise http.client.IncompleteRead(bytes(received[:0]), response.length)
        else:
            response.close()  # `read1` leaves it open, and the connection with it
        if not self._line.left_s:
            raise TimeoutError("the time for probing was up")  # and what there is of the answer was cut
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, found, bytes(received), first_byte_s)


def _authorization(login: Login) -> str:
    if login.token:
        return f"Bearer {login.token}"
    return "Basic " + base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
