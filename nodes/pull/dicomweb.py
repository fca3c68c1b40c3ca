"""A worker's DICOMweb client: which studies a PACS has, and one study at a time as arrays."""

import contextlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from nodes.errors import PullFailed, Unreadable, WrongInput
from nodes.pull.multipart import Splitter, boundary_of
from nodes.pull.studies import Assembly, Study

_UNCOMPRESSED = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'
_PAGE = 500
_STUDY_UID = "0020000D"


@dataclass(frozen=True)
class Payload:
    """What an exchange carried: `rx` bytes of the response's body as they came over HTTP (multipart framing included;
    status line,
    headers and chunk sizes not), `tx` bytes of the request's body (a GET has none)."""

    rx: int
    tx: int


class DicomWeb:
    """A blocking client of one DICOMweb server, over one connection that is kept. Close it, or use it as a context.

    `base_url` is the server's DICOMweb root, such as `http://10.0.1.2:8042/dicom-web/`. Raises WrongInput where it is
    no http URL. The standard library's HTTP, not httpx: for a study of 1 MB that costs 0.5 ms instead of 3.
    """

    def __init__(self, base_url: str, timeout_s: float = 60) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "http" or not parts.hostname:
            raise WrongInput(
                f"'{base_url}' is not the address of a DICOMweb server; expected http://HOST:PORT/dicom-web/"
            )
        self._base_url = base_url.rstrip("/")
        self._root = parts.path.rstrip("/")
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        self._memory: bytearray | None = None  # for the bytes of a study, then of the next

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def studies(self) -> list[str]:
        """The UIDs of all studies (QIDO-RS), sorted; raises PullFailed."""
        found: set[str] = set()
        while True:
            page = self._page(len(found))
            before = len(found)
            found.update(page)
            # A server that ignores `offset` sends the same page for ever.
            if len(page) < _PAGE or len(found) == before:
                return sorted(found)

    def _page(self, offset: int) -> list[str]:
        path = f"/studies?{urlencode({'limit': _PAGE, 'offset': offset})}"
        with self._get(path, "application/dicom+json") as response:
            content = response.read()
        try:
            return [_uid(item) for item in json.loads(content)] if content else []
        except (ValueError, LookupError, TypeError) as error:
            raise Unreadable(f"{self._base_url}{path}: the list of studies is not DICOM JSON ({error!r})") from error

    def study(self, uid: str) -> tuple[Study, Payload]:
        """A whole study (WADO-RS), assembled while it arrives.

        Raises PullFailed, and Unreadable for what is no such study.
        """
        assembly, received = Assembly(), 0
        with self._get(f"/studies/{uid}", _UNCOMPRESSED) as response:
            splitter = Splitter(boundary_of(response.headers.get("Content-Type", "")), self._memory)
            while count := response.readinto(splitter.room()):
                received += count
                for part in splitter.read(count):
                    assembly.add(part)
            _check_whole(response)
        splitter.finish()
        study = assembly.study(uid)  # copied out of the memory, which the next study takes
        self._memory = splitter.memory
        return study, Payload(rx=received, tx=0)

    @contextlib.contextmanager
    def _get(self, path: str, accept: str) -> Iterator[http.client.HTTPResponse]:
        """The answer, to be read to its end within the block; raises PullFailed."""
        whole = False
        try:
            response = self._answer(path, accept)
            if response.status not in (http.client.OK, http.client.NO_CONTENT):
                said = response.read(2000).decode(errors="replace").strip()
                raise PullFailed(f"{self._base_url}{path} answered {response.status} {response.reason}: {said[:200]}")
            yield response
            whole = True
        except (http.client.HTTPException, OSError) as error:
            raise PullFailed(f"{self._base_url}{path}: {type(error).__name__}: {error}") from error
        finally:
            if not whole:
                self.close()  # a connection with half an answer in it cannot be used again

    def _answer(self, path: str, accept: str) -> http.client.HTTPResponse:
        """Ask; once more on a fresh connection where the server has closed the idle one under us (Orthanc
        does after 1 s)."""
        kept = self._connection.sock is not None
        headers = {"Accept": accept, "Accept-Encoding": "identity"}  # identity: bytes counted are bytes carried
        try:
            self._connection.request("GET", self._root + path, headers=headers)
            return self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            if not kept:
                raise
        self._connection.request("GET", self._root + path, headers=headers)
        return self._connection.getresponse()


def _check_whole(response: http.client.HTTPResponse) -> None:
    """Raise IncompleteRead for a body that was cut: `readinto` ends it as if it were whole."""
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)


def _uid(item: Any) -> str:
    return str(item[_STUDY_UID]["Value"][0])
