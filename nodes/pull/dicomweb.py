"""A worker's DICOMweb client: which studies a PACS has, and one study at a time as arrays."""

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
_CHUNK = 64 * 1024  # below what malloc maps anew each time: page faults cost more than the copy
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
        _, body = self._get(path, "application/dicom+json")
        content = b"".join(body)
        try:
            return [_uid(item) for item in json.loads(content)] if content else []
        except (ValueError, LookupError, TypeError) as error:
            raise Unreadable(f"{self._base_url}{path}: the list of studies is not DICOM JSON ({error!r})") from error

    def study(self, uid: str) -> tuple[Study, Payload]:
        """A whole study (WADO-RS), assembled while it arrives.

        Raises PullFailed, and Unreadable for what is no such study.
        """
        assembly, received = Assembly(), 0
        content_type, body = self._get(f"/studies/{uid}", _UNCOMPRESSED)
        splitter = Splitter(boundary_of(content_type))
        for chunk in body:
            received += len(chunk)
            for part in splitter.feed(chunk):
                assembly.add(part)
        splitter.finish()
        return assembly.study(uid), Payload(rx=received, tx=0)

    def _get(self, path: str, accept: str) -> tuple[str, Iterator[bytes]]:
        """The answer's Content-Type and its body, chunk by chunk; raises PullFailed."""
        try:
            response = self._answer(path, accept)
            if response.status not in (http.client.OK, http.client.NO_CONTENT):
                said = response.read(2000).decode(errors="replace").strip()
                self.close()
                raise PullFailed(f"{self._base_url}{path} answered {response.status} {response.reason}: {said[:200]}")
        except (http.client.HTTPException, OSError) as error:
            raise self._failure(path, error) from error
        return response.headers.get("Content-Type", ""), self._body(path, response)

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

    def _body(self, path: str, response: http.client.HTTPResponse) -> Iterator[bytes]:
        whole = False
        try:
            while chunk := response.read(_CHUNK):
                yield chunk
            if response.length:  # http.client ends a cut body as if it were whole
                raise http.client.IncompleteRead(b"", response.length)
            whole = True
        except (http.client.HTTPException, OSError) as error:
            raise self._failure(path, error) from error
        finally:
            if not whole:
                self.close()  # a connection with half an answer in it cannot be used again

    def _failure(self, path: str, error: Exception) -> PullFailed:
        self.close()
        return PullFailed(f"{self._base_url}{path}: {type(error).__name__}: {error}")


def _uid(item: Any) -> str:
    return str(item[_STUDY_UID]["Value"][0])
