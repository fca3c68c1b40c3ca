"""Sites filled from the warehouse: each study pulled across the WAN by the site's worker, and stored in its PACS.

WADO-RS there, STOW-RS here; the body of the one is the body of the other and never lies in memory whole. Where the
site's PACS speaks no DICOMweb, a study is spooled, and stored by C-STORE. Files stay as they are, in their transfer
syntax: what the warehouse writes is what the site has.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import httpx

from nodes.endpoints import Endpoint, Login
from nodes.errors import PullFailed, TestbedError
from nodes.pacs.flavours import Reach
from nodes.pull import Store
from nodes.pull.multipart import Splitter, boundary_of
from nodes.tls import caller_context

_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_PAGE = 500
_IDLE_S = 300.0  # of silence; a transfer as such may take as long as it takes
_INSTANCES, _STUDY = "00201208", "0020000D"
_ATTEMPTS = 3

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Need:
    """A site to be filled: its PACS, as whom its worker calls, and the instances of each study that it is to have."""

    site: str
    pacs: Endpoint
    reach: Reach
    studies: Mapping[str, int]


@dataclass(frozen=True)
class Filled:
    """What became of a site: studies that were there already, that were brought now, their bytes (bodies), and why it
    stopped (empty: it is whole).
    """

    site: str
    there: int
    brought: int
    bytes: int
    why: str = ""


def fill(needs: Sequence[Need], warehouse: Endpoint, spool: Path, progress: Progress) -> list[Filled]:
    """Bring every site what it lacks, all sites at once, as they would. What is there whole is not brought again.

    A site that fails stops alone. The warehouse must speak DICOMweb; a site may speak DIMSE alone: its studies lie in
    `spool` on their way, which is there and the caller's to remove.
    """
    counting = _Counting(sum(len(need.studies) for need in needs), progress)
    with ThreadPoolExecutor(max(1, len(needs))) as hands:
        try:
            return [*hands.map(lambda need: _fill(need, warehouse, spool / need.site, counting), needs)]
        except BaseException:
            counting.stopped.set()  # the executor waits for all hands
            raise


class _Counting:
    """Progress of many sites at once."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total, self._progress, self._done = total, progress, 0
        self._lock = threading.Lock()
        self.stopped = threading.Event()
        progress("filling studies", 0, max(1, total))

    def more(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._progress("filling studies", self._done, self._total)


def _fill(need: Need, warehouse: Endpoint, spool: Path, counting: _Counting) -> Filled:
    brought = size = there = 0
    try:
        with _client(need, warehouse) as client, _target(need, spool) as target:
            source = _Source(client, warehouse, counting.stopped)
            lacking = target.lacking(need.studies)
            there = len(need.studies) - len(lacking)
            counting.more(there)
            for study in lacking:
                size += _insist(partial(target.bring, study, source))
                brought += 1
                counting.more(1)
    except (TestbedError, httpx.HTTPError, OSError) as error:
        return Filled(need.site, there, brought, size, f"{type(error).__name__}: {error}")
    return Filled(need.site, there, brought, size)


def _client(need: Need, endpoint: Endpoint) -> httpx.Client:
    login = endpoint.login or Login()
    headers = {"Authorization": f"Bearer {login.token}"} if login.token else {}
    auth = httpx.BasicAuth(login.user, login.password) if login.user else None
    timeout = httpx.Timeout(_IDLE_S, connect=30)
    tls = caller_context(endpoint.web_tls) if endpoint.web_tls else None
    return httpx.Client(transport=need.reach.transport(tls), headers=headers, auth=auth, timeout=timeout)


def _present(client: httpx.Client, pacs: Endpoint) -> Iterator[tuple[str, int]]:
    """The studies of a PACS and how many instances each has (QIDO-RS). There are no more once a page has nothing new:
    some servers give fewer than they are asked for, others the same page for ever.
    """
    offset, seen = 0, set[str]()
    while True:
        asked = {"limit": str(_PAGE), "offset": str(offset), "includefield": _INSTANCES}
        answer = client.get(f"{pacs.dicomweb}studies", params=asked, headers={"Accept": "application/dicom+json"})
        _check(answer, f"{pacs.site}: the list of studies")
        page = _rows(answer, pacs.site)
        new = [(study, count) for study, count in page if study not in seen]
        if not new:
            return
        yield from new
        seen.update(study for study, _ in new)
        offset += len(page)


def _rows(answer: httpx.Response, site: str) -> list[tuple[str, int]]:
    try:
        page = answer.json() if answer.content else []
        return [(item[_STUDY]["Value"][0], int(item.get(_INSTANCES, {}).get("Value", [0])[0])) for item in page]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise PullFailed(f"{site}: the list of studies is no DICOM JSON ({error!r})") from error


def _insist(bring: Callable[[], int]) -> int:
    """One study; again where the line was cut."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return bring()
        except httpx.TransportError:
            continue
    return bring()


@dataclass(frozen=True)
class _Source:
    """The warehouse, and the event that stops whoever fetches from it."""

    client: httpx.Client
    warehouse: Endpoint
    stopped: threading.Event

    @contextmanager
    def study(self, study: str) -> Iterator[httpx.Response]:
        """A study in one answer, as it is stored."""
        address = f"{self.warehouse.dicomweb}studies/{study}"
        headers = {"Accept": _AS_STORED, "Accept-Encoding": "identity"}
        with self.client.stream("GET", address, headers=headers) as answer:
            _check(answer, f"study {study} at the warehouse")
            yield answer

    def body(self, study: str, answer: httpx.Response) -> Iterator[bytes]:
        """The answer's body as it comes."""
        for piece in answer.iter_raw():
            if self.stopped.is_set():
                raise PullFailed(f"study {study}: interrupted")
            yield piece


class _Target(Protocol):
    """A site's PACS, to be stored into."""

    def lacking(self, studies: Mapping[str, int]) -> list[str]:
        """Those that are not there with so many instances."""

    def bring(self, study: str, source: _Source) -> int:
        """One study, from the warehouse into it; the bytes of the body that came."""


@contextmanager
def _target(need: Need, spool: Path) -> Iterator[_Target]:
    if need.pacs.dicomweb is None:
        spool.mkdir()
        yield _ByDimse(need, spool)
    else:
        with _client(need, need.pacs) as client:
            yield _ByWeb(need, client)


class _ByWeb:
    """By STOW-RS."""

    def __init__(self, need: Need, client: httpx.Client) -> None:
        self._pacs, self._client = need.pacs, client

    def lacking(self, studies: Mapping[str, int]) -> list[str]:
        """By how many instances each study has there."""
        present = dict(_present(self._client, self._pacs))
        return [study for study, count in studies.items() if present.get(study, 0) < count]

    def bring(self, study: str, source: _Source) -> int:
        """The body of the one answer is the body of the other request."""
        counted = 0

        def body(answer: httpx.Response) -> Iterator[bytes]:
            nonlocal counted
            for piece in source.body(study, answer):
                counted += len(piece)
                yield piece

        with source.study(study) as answer:
            kind = {"Content-Type": answer.headers.get("Content-Type", ""), "Accept": "application/dicom+json"}
            stored = self._client.post(f"{self._pacs.dicomweb}studies", content=body(answer), headers=kind)
        _check(stored, f"{self._pacs.site}: storing study {study}")
        return counted


class _ByDimse:
    """By C-STORE, of the instances that are not there yet. `folder` is where a study is spooled."""

    def __init__(self, need: Need, folder: Path) -> None:
        from nodes.storing import Dimse  # pynetdicom takes 0.5 s to import

        self._pacs = Dimse(need.reach, need.pacs, folder)
        self._spool = Store(folder / "studies")
        self._present: dict[str, frozenset[str]] = {}

    def lacking(self, studies: Mapping[str, int]) -> list[str]:
        """By the instances of each study there."""
        self._present = {study: self._pacs.present(study) for study in studies}
        return [study for study, count in studies.items() if len(self._present[study]) < count]

    def bring(self, study: str, source: _Source) -> int:
        """Each instance is verified on its way, as in a pull."""
        holding, counted = self._spool.holding(study), 0
        with source.study(study) as answer, holding.stream() as stream:
            splitter = Splitter(boundary_of(answer.headers.get("Content-Type", "")))
            for chunk in source.body(study, answer):
                counted += len(chunk)
                for piece in splitter.feed(chunk):
                    stream.take(piece)
            splitter.finish()
        here = self._present[study]
        self._pacs.store({one.uid: data for one, data in holding.views() if one.uid not in here})
        self._spool.forget(study)
        return counted


def _check(answer: httpx.Response, what: str) -> None:
    if answer.status_code not in (httpx.codes.OK, httpx.codes.NO_CONTENT):
        answer.read()
        raise PullFailed(f"{what}: answered {answer.status_code} {answer.reason_phrase}: {answer.text[:200]}")
