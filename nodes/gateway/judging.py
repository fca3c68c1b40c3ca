"""What a gateway does with a request: refuses it, or hands it on as the archive shall see it. No network here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nodes.gateway import accepting, callers, resources
from nodes.gateway.hours import opens_in
from nodes.gateway.messages import Fields, Refused, Request
from nodes.gateway.resources import Kind, Search
from nodes.gateway.settings import Settings

_OURS = ("host", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "expect")


@dataclass(frozen=True)
class Peer:
    """Who calls: an IP address, and the certificate (as `ssl` gives it) where TLS asked for one."""

    address: str
    certificate: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Handed:
    """`request` goes to the archive. Of one instance only the part is wanted where `single` is set; `beyond` asks
    whether a search has more results than the page.
    """

    request: Request
    single: bool = False
    beyond: Request | None = None


def handed(settings: Settings, request: Request, peer: Peer, moment_s: float) -> Handed:
    """A request as the archive gets it, `moment_s` after the gateway's start. Raises Refused."""
    _let_in(settings, request, peer)
    if request.fields.words("expect") - {"100-continue"}:
        raise Refused(417, "the only expectation that is met is 100-continue")
    kind = resources.kind_of(request.target, settings.root)
    if request.method in ("GET", "HEAD"):
        _refuse(settings, kind, request.fields, moment_s)
    return _rewritten(settings, kind, replace(request, fields=_forwarded(settings, request, peer)))


def _let_in(settings: Settings, request: Request, peer: Peer) -> None:
    if settings.tls and settings.tls.callers and settings.tls.caller not in callers.named(peer.certificate):
        raise Refused(403, "this certificate is not one of those that are let in")
    if settings.caller:
        callers.let_in(settings.caller, settings.site, request.fields)


def _refuse(settings: Settings, kind: Kind, fields: Fields, moment_s: float) -> None:
    if (kind == "frames" and not settings.frames) or (kind == "bulkdata" and not settings.bulkdata):
        raise Refused(404, f"this archive has no {kind}")
    closed_s = opens_in(settings.closed, moment_s) if kind in resources.BULK else 0
    if closed_s:
        later = () if closed_s == math.inf else (("Retry-After", str(math.ceil(closed_s))),)
        raise Refused(503, "nothing is retrieved at this hour", *later)
    if kind in resources.RETRIEVALS and not accepting.acceptable(fields.text("accept"), settings.accept):
        syntax = "; transfer-syntax=…" if settings.accept == "strict" else ""
        raise Refused(406, f'Accept must name multipart/related; type="application/dicom"{syntax}')


def _forwarded(settings: Settings, request: Request, peer: Peer) -> Fields:
    """The archive writes addresses into its answers: they must be those of the gateway (RFC 7239, and Host)."""
    host = request.fields.text("host") or f"{settings.host}:{settings.port}"
    scheme = "https" if settings.tls else "http"
    address = f'"[{peer.address}]"' if ":" in peer.address else peer.address
    fields = request.fields.end_to_end().without(_OURS)
    if settings.caller:
        fields = fields.without(["authorization"])
    return Fields(
        [
            ("Host", host),
            *fields,
            ("Forwarded", f"for={address};proto={scheme}"),  # no host: Orthanc 1.10 would keep its quotation marks
            ("X-Forwarded-For", peer.address),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Proto", scheme),
            *([("Transfer-Encoding", "chunked")] if request.framing == "chunked" else []),
            ("Connection", "close"),
        ]
    )


def _rewritten(settings: Settings, kind: Kind, request: Request) -> Handed:
    if kind == "search" and request.method in ("GET", "HEAD"):
        search = resources.searched(request.target, settings.page, settings.includefield)
        return Handed(replace(request, target=search.target), beyond=_beyond(request, search))
    if kind == "instance" and settings.single_part and request.method == "GET":
        return Handed(_accepting(request, accepting.as_multipart(request.fields.text("accept"))), single=True)
    return Handed(request)


def _beyond(request: Request, search: Search) -> Request | None:
    if search.beyond is None:
        return None
    bare = replace(request, fields=request.fields.without(["content-length", "transfer-encoding"]), framing=0)
    return _accepting(replace(bare, method="GET", target=search.beyond), "application/dicom+json")


def _accepting(request: Request, media: str) -> Request:
    return replace(request, fields=Fields([*request.fields.without(["accept"]), ("Accept", media)]))
