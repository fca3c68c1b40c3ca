"""The web side of a PACS: who may call, over what, and what is served."""

import select
import time

from nodes.endpoints import Endpoint
from nodes.probe import qido, wado
from nodes.probe.browser import Answer, Browser
from nodes.probe.capabilities import Wado, Web
from nodes.probe.line import Line

IDLE_S = 1.6
"""For how long an idle connection is watched: a probe of one PACS takes no longer by that."""

_NOT_THERE = {404, 405, 501}
_FORBIDDEN = {401, 403}
_NOTHING = "/studies?limit=1"


def ask(line: Line, endpoint: Endpoint) -> Web:
    """Everything over HTTP, but for what takes waiting (`idle`)."""
    stranger = Browser(line, endpoint, certified=False, login=False)
    first = stranger.get(_NOTHING)
    stranger.close()
    wants_certificate = stranger.tls_version is not None and first is None and stranger.refused_tls
    if first is None and not (endpoint.web_tls and endpoint.web_tls.certificate):
        line.note(f"HTTP at {stranger.host}:{stranger.port}: no answer ({stranger.why})")
        return Web(tls=stranger.tls_version, client_certificate=wants_certificate or None)
    browser = Browser(line, endpoint)
    try:
        return _asked(line, browser, first, wants_certificate)
    finally:
        browser.close()


def _asked(line: Line, browser: Browser, first: Answer | None, wants_certificate: bool) -> Web:
    second = browser.get(_NOTHING)
    answer = second or first
    if answer is None:
        line.note(f"HTTP at {browser.host}:{browser.port}: no answer ({browser.why})")
        return Web(tls=browser.tls_version)
    queries, sample = qido.ask(browser, line)
    before = browser.connections
    browser.get(_NOTHING)
    kept = browser.get(_NOTHING) is not None and browser.connections <= before + 1
    retrieval = wado.ask(browser, line, sample) if sample else Wado()
    if wants_certificate:  # then the first went without one, and says nothing of logins
        first = _without_login(line, browser)
    return Web(
        answers=True,
        server=answer.headers.get("server", ""),
        tls=browser.tls_version or "none",
        client_certificate=wants_certificate if browser.tls_version else None,
        auth=_scheme(first),
        keep_alive=kept,
        first_byte_s=None if second is None else second.first_byte_s,
        stow=_stow(line, browser),
        qido=queries,
        wado=retrieval,
    )


def _without_login(line: Line, browser: Browser) -> Answer | None:
    stranger = Browser(line, browser.endpoint, login=False)
    try:
        return stranger.get(_NOTHING)
    finally:
        stranger.close()


def _scheme(first: Answer | None) -> str | None:
    """What a caller without any login is told."""
    if first is None:
        return None
    if first.status not in _FORBIDDEN:
        return "none"
    return first.headers.get("www-authenticate", "").partition(" ")[0].lower() or f"refused ({first.status})"


def _stow(line: Line, browser: Browser) -> bool | None:
    """Whether it takes objects: told by how it answers a request that has none, so that nothing is stored."""
    answer = browser.post("/studies", 'multipart/related; type="application/dicom"; boundary=none', b"--none--\r\n")
    if answer is not None and answer.status in _NOT_THERE:
        return False
    return None if browser.verdict(answer, "STOW-RS") is None else True


def idle(line: Line, endpoint: Endpoint) -> tuple[float | None, float | None]:
    """After how many seconds an idle connection is closed (None: not within the second figure)."""
    browser = Browser(line, endpoint)
    try:
        browser.get(_NOTHING)
        kept = browser.socket
        if kept is None:
            return None, None
        started = time.monotonic()
        closed, _, _ = select.select([kept], [], [], min(IDLE_S, line.left_s))
        watched_s = time.monotonic() - started
        return (watched_s if closed else None), watched_s
    finally:
        browser.close()
