"""Sites filled from the warehouse: each study pulled across the WAN by the site's worker, and stored in its PACS.

WADO-RS there, STOW-RS here; the body of the one is the body of the other and never lies in memory whole.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from nodes.endpoints import Endpoint, Login
from nodes.errors import PullFailed, TestbedError
from nodes.pacs.flavours import Reach

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


def fill(needs: Sequence[Need], warehouse: Endpoint, progress: Progress) -> list[Filled]:
    """Bring every site what it lacks, all sites at once, as they would. What is there whole is not brought again.

    A site that fails stops alone. All must speak plain DICOMweb.
    """
    counting = _Counting(sum(len(need.studies) for need in needs), progress)
    with ThreadPoolExecutor(max(1, len(needs))) as hands:
        try:
            return [*hands.map(lambda need: _fill(need, warehouse, counting), needs)]
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


def _fill(need: Need, warehouse: Endpoint, counting: _Counting) -> Filled:
    brought = size = there = 0
    try:
        with _client(need, need.pacs) as pacs, _client(need, warehouse) as source:
            present = dict(_present(pacs, need.pacs))
            lacking = [study for study, count in need.studies.items() if present.get(study, 0) < count]
            there = len(need.studies) - len(lacking)
            counting.more(there)
            for study in lacking:
                size += _bring(study, _Ends(source, warehouse, pacs, need.pacs, counting.stopped))
                brought += 1
                counting.more(1)
    except (TestbedError, httpx.HTTPError) as error:
        return Filled(need.site, there, brought, size, f"{type(error).__name__}: {error}")
    return Filled(need.site, there, brought, size)


def _client(need: Need, endpoint: Endpoint) -> httpx.Client:
    login = endpoint.login or Login()
    headers = {"Authorization": f"Bearer {login.token}"} if login.token else {}
    auth = httpx.BasicAuth(login.user, login.password) if login.user else None
    timeout = httpx.Timeout(_IDLE_S, connect=30)
    return httpx.Client(transport=need.reach.transport(), headers=headers, auth=auth, timeout=timeout)


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


@dataclass(frozen=True)
class _Ends:
    """Both ends of a relay, and the event that stops it."""

    source: httpx.Client
    warehouse: Endpoint
    pacs: httpx.Client
    own: Endpoint
    stopped: threading.Event


def _bring(study: str, ends: _Ends) -> int:
    """One study; again where the line was cut. The bytes of the body that came through."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return _relay(study, ends)
        except httpx.TransportError:
            continue
    return _relay(study, ends)


def _relay(study: str, ends: _Ends) -> int:
    counted = 0

    def body(answer: httpx.Response) -> Iterator[bytes]:
        nonlocal counted
        for piece in answer.iter_raw():
            if ends.stopped.is_set():
                raise PullFailed(f"study {study}: interrupted")
            counted += len(piece)
            yield piece

    address = f"{ends.warehouse.dicomweb}studies/{study}"
    with ends.source.stream("GET", address, headers={"Accept": _AS_STORED, "Accept-Encoding": "identity"}) as answer:
        _check(answer, f"study {study} at the warehouse")
        kind = {"Content-Type": answer.headers.get("Content-Type", ""), "Accept": "application/dicom+json"}
        stored = ends.pacs.post(f"{ends.own.dicomweb}studies", content=body(answer), headers=kind)
    _check(stored, f"{ends.own.site}: storing study {study}")
    return counted


def _check(answer: httpx.Response, what: str) -> None:
    if answer.status_code not in (httpx.codes.OK, httpx.codes.NO_CONTENT):
        answer.read()
        raise PullFailed(f"{what}: answered {answer.status_code} {answer.reason_phrase}: {answer.text[:200]}")
