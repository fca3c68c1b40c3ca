"""HTTP as a worker speaks it to a PACS: one connection that is kept, and answers that are what was asked for."""

import base64
import contextlib
import email.utils
import http.client
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from nodes.endpoints import Endpoint, Login
from nodes.errors import Busy, Cut, Declined, WrongInput
from nodes.tls import caller_context

if TYPE_CHECKING:
    pass

_CHUNK: Final = 64 * 1024
_GOOD: Final = (http.client.OK, http.client.NO_CONTENT, http.client.PARTIAL_CONTENT)
_OTHER_FORM: Final = (400, 406, 415)
"""What servers answer to an Accept header that they would have had otherwise."""


class Answer:
    """An answer whose body is read once, as it comes."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.received = 0

    @property
    def status(self) -> int:
        """HTTP's status."""
        return self._response.status

    @property
    def content_type(self) -> str:
        """As the server says it; empty where it doesn't."""
        return self._response.headers.get("Content-Type", "")

    def chunks(self) -> Iterator[bytes]:
        """The body, to its end, each chunk as soon as it is there: what came before a cut is never lost in a buffer."""
        while chunk := self._response.read1(_CHUNK):
            self.received += len(chunk)
            yield chunk
        if self._response.length:  # http.client ends a cut body as if it were whole
            raise http.client.IncompleteRead(b"", self._response.length)
        self._response.close()  # of the answer, not of the connection: read1 does not notice the end by itself

    def content(self, limit: int) -> bytes:
        """The whole body; raises Declined where it is larger than `limit` bytes."""
        data = bytearray()
        for chunk in self.chunks():
            data += chunk
            if len(data) > limit:
                raise Declined(f"the answer is larger than {limit >> 20} MiB")
        return bytes(data)


class Web:
    """A blocking client of one DICOMweb server. Close it.

    The standard library's HTTP, not httpx: for a study of 1 MB that costs 0.5 ms instead of 3. Raises WrongInput where
    the endpoint's address is none.
    """

    def __init__(self, endpoint: Endpoint, idle_s: float) -> None:
        self.base_url = (endpoint.dicomweb or "").rstrip("/")
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WrongInput(
                f"{endpoint.site}: '{endpoint.dicomweb}' is not the address of a DICOMweb server; "
                "expected http://HOST:PORT/dicom-web/"
            )
        self._root = parts.path
        self._headers = {"Accept-Encoding": "identity", **_authorised(endpoint.login)}  # bytes counted are carried
        self._liked: dict[str, str] = {}  # the Accept header that this server takes, by kind of question
        if parts.scheme == "https":
            context = caller_context(endpoint.web_tls)
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=idle_s, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=idle_s)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextlib.contextmanager
    def get(self, path: str, kind: str, accepts: Sequence[str]) -> Iterator[Answer]:
        """The answer, to be read to its end within the block.

        `accepts` are forms of the Accept header, tried in turn where the server refuses one; what it took is
        remembered for the `kind` of question. Raises Cut, Busy and Declined.
        """
        whole = False
        try:
            yield self._accepted(path, kind, accepts)
            whole = True
        except (http.client.HTTPException, OSError) as error:
            raise _told(f"{self.base_url}{path}", error) from error
        finally:
            if not whole:
                self.close()  # a connection with half an answer in it cannot be used again

    def _accepted(self, path: str, kind: str, accepts: Sequence[str]) -> Answer:
        liked = self._liked.get(kind)
        forms = [liked] if liked else list(accepts)
        for form in forms:
            response = self._ask(path, form)
            if response.status in _GOOD:
                self._liked[kind] = form
                return Answer(response)
            if response.status not in _OTHER_FORM or form == forms[-1]:
                break
            response.read()  # so that the connection can be used for the next form
        raise self._refusal(path, response)

    def _refusal(self, path: str, response: http.client.HTTPResponse) -> Exception:
        said = " ".join(response.read(2000).decode(errors="replace").split())[:200]
        message = f"{self.base_url}{path} answered {response.status} {response.reason}: {said}".rstrip(": ")
        if response.status in (http.client.SERVICE_UNAVAILABLE, http.client.TOO_MANY_REQUESTS):
            return Busy(message, _after_s(response.headers.get("Retry-After", "")))
        if response.status in (http.client.BAD_GATEWAY, http.client.GATEWAY_TIMEOUT):
            return Cut(message)
        return Declined(message)

    def _ask(self, path: str, accept: str) -> http.client.HTTPResponse:
        """Ask; once more on a fresh connection where the server has closed the idle one under us (Orthanc
        does after 1 s)."""
        kept = self._connection.sock is not None
        headers = {"Accept": accept, **self._headers}
        try:
            self._connection.request("GET", self._root + path, headers=headers)
            return self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            if not kept:
                raise
        self._connection.request("GET", self._root + path, headers=headers)
        return self._connection.getresponse()


def _authorised(login: Login | None) -> dict[str, str]:
    if login is None:
        return {}
    if login.token:
        return {"Authorization": f"Bearer {login.token}"}
    pair = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _told(where: str, error: Exception) -> Exception:
    """What a broken exchange means: a certificate that is not believed will not be believed later either."""
    from ssl import SSLCertVerificationError

    if isinstance(error, SSLCertVerificationError):
        return Declined(f"{where}: its certificate is not accepted: {error.verify_message}")
    if isinstance(error, TimeoutError):
        return Cut(f"{where}: silent for too long ({error})")
    return Cut(f"{where}: {type(error).__name__}: {error}")


def _after_s(header: str) -> float | None:
    """Retry-After: seconds, or a date."""
    if header.strip().isascii() and header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
