"""What a PACS offers, as it was found by asking it: never what somebody declared of it.

Everywhere None means 'not found out' (not asked, or asked and not answered: `findings` say why), which is not 'no'.
"""

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, get_type_hints

YES, NO, UNKNOWN = "yes", "no", "–"


def _told(label: str, default: Any = None) -> Any:
    """A field, as people call it."""
    return field(default=default, metadata={"label": label})


@dataclass(frozen=True)
class Qido:
    """Queries over the web (PS3.18, 10.6). Levels: `series` and `instances` are of all studies at once."""

    studies: bool | None = _told("QIDO-RS studies")
    series: bool | None = _told("QIDO-RS series of all studies")
    instances: bool | None = _told("QIDO-RS instances of all studies")
    series_of_study: bool | None = _told("QIDO-RS series of a study")
    instances_of_series: bool | None = _told("QIDO-RS instances of a series")
    limit: bool | None = _told("`limit` kept")
    offset: bool | None = _told("`offset` kept")
    page: int | None = _told("most rows at once")
    rows_seen: int | None = _told("most rows seen")
    keys: tuple[str, ...] | None = _told("query keys")
    includefield: bool | None = _told("`includefield` kept")
    includefield_all: bool | None = _told("`includefield=all` kept")
    wildcard: bool | None = _told("wildcards")
    ignores_case: bool | None = _told("names in any case")
    percent_encoding: bool | None = _told("percent-encoded values understood")
    fuzzy: bool | None = _told("`fuzzymatching` kept")
    non_ascii: bool | None = _told("names beyond ASCII found")
    retrieve_url: str | None = _told("retrieve addresses")


@dataclass(frozen=True)
class Wado:
    """Retrieval over the web (PS3.18, 10.4). `stored` and `syntaxes` are UIDs; `accepts` the Accept headers taken."""

    study: bool | None = _told("WADO-RS study")
    series: bool | None = _told("WADO-RS series")
    instance: bool | None = _told("WADO-RS instance")
    metadata: bool | None = _told("WADO-RS metadata")
    frames: bool | None = _told("WADO-RS frames")
    frames_single_part: bool | None = _told("a frame as application/octet-stream")
    bulkdata: bool | None = _told("WADO-RS bulk data")
    bulkdata_url: str | None = _told("bulk data addresses")
    rendered: bool | None = _told("WADO-RS rendered")
    parts: str | None = _told("an instance comes as")
    accepts: tuple[str, ...] | None = _told("Accept taken")
    stored: str | None = _told("stored as (web)")
    syntaxes: tuple[str, ...] | None = _told("given as (web)")


@dataclass(frozen=True)
class Web:
    """Everything over HTTP. `tls` is the protocol's version; `auth` the scheme demanded, or 'none'.

    `idle_close_s` is after how long an idle connection was closed; None with `idle_watched_s`: not within that.
    """

    answers: bool = _told("HTTP answers", False)
    server: str | None = _told("server's header")
    tls: str | None = _told("TLS (web)")
    client_certificate: bool | None = _told("asks for a certificate")
    auth: str | None = _told("login demanded")
    keep_alive: bool | None = _told("connections kept")
    idle_close_s: float | None = _told("closed when idle for")
    idle_watched_s: float | None = _told("idle watched for")
    first_byte_s: float | None = _told("first byte of a query")
    stow: bool | None = _told("STOW-RS")
    qido: Qido = field(default_factory=Qido)
    wado: Wado = field(default_factory=Wado)


@dataclass(frozen=True)
class Find:
    """Queries over DIMSE (PS3.4, annex C)."""

    studies: bool | None = _told("C-FIND studies")
    series: bool | None = _told("C-FIND series")
    images: bool | None = _told("C-FIND images")
    row_a_study: bool | None = _told("one row a study")
    keys: tuple[str, ...] | None = _told("query keys (DIMSE)")
    wildcard: bool | None = _told("wildcards (DIMSE)")
    ignores_case: bool | None = _told("names in any case (DIMSE)")
    non_ascii: bool | None = _told("names beyond ASCII found (DIMSE)")
    modalities: bool | None = _told("ModalitiesInStudy given")
    counts: bool | None = _told("NumberOfStudyRelated… given")
    charset: str | None = _told("character set of rows")


@dataclass(frozen=True)
class Dimse:
    """Everything over DIMSE. Transfer syntaxes are UIDs, statuses four hexadecimal digits; `max_pdu` 0 means any."""

    answers: bool = _told("DIMSE answers", False)
    tls: str | None = _told("TLS (DIMSE)")
    implementation: str | None = _told("implementation")
    implementation_class: str | None = _told("implementation class")
    max_pdu: int | None = _told("largest PDU")
    checks_called: bool | None = _told("checks the called AE title")
    checks_calling: bool | None = _told("checks the calling AE title")
    together: bool | None = _told("two associations at once")
    prefers: str | None = _told("transfer syntax chosen")
    echo: bool | None = _told("C-ECHO")
    get: bool | None = _told("C-GET")
    move: bool | None = _told("C-MOVE")
    store: bool | None = _told("C-STORE")
    store_classes: tuple[str, ...] | None = _told("stores")
    store_syntaxes: tuple[str, ...] | None = _told("stores MR as")
    unknown_destination: str | None = _told("C-MOVE to a stranger")
    knows_worker: bool | None = _told("knows the worker's AE title")
    gives: str | None = _told("C-GET gives")
    rtt_s: float | None = _told("round trip (DIMSE)")
    echo_s: float | None = _told("C-ECHO takes")
    get_s: float | None = _told("C-GET of one instance takes")
    stalls: bool | None = _told("stalls by Nagle's algorithm")
    find: Find = field(default_factory=Find)


@dataclass(frozen=True)
class Capabilities:
    """One PACS, probed. `web` or `dimse` is None where no address of that kind was given: it was not asked.

    `findings` are sentences: what it did that it should not, and why something could not be found out.
    """

    web: Web | None
    dimse: Dimse | None
    took_s: float
    findings: tuple[str, ...] = ()

    @property
    def answers(self) -> bool:
        """Whether it answered anything at all."""
        return bool((self.web and self.web.answers) or (self.dimse and self.dimse.answers))


TIMINGS = frozenset({"first_byte_s", "idle_close_s", "idle_watched_s", "rtt_s", "echo_s", "get_s"})
"""Fields that differ each time that they are measured."""

Cell = tuple[str, str, Any]


def cells(found: Capabilities) -> list[Cell]:
    """Everything found, row by row: the field's path, such as `web.qido.page`, its label, and its value."""
    return [(path, label, _value(found, path)) for path, label in columns()]


@cache
def columns() -> tuple[tuple[str, str], ...]:
    """The path and the label of everything that probing finds out, in a stable order."""
    return (*_columns(Web, "web"), *_columns(Dimse, "dimse"))


def _columns(form: type[Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    hints = get_type_hints(form)
    for one in fields(form):
        path = f"{prefix}.{one.name}"
        found += [(path, one.metadata["label"])] if "label" in one.metadata else _columns(hints[one.name], path)
    return found


def _value(found: Any, path: str) -> Any:
    for step in path.split("."):
        found = None if found is None else getattr(found, step)
    return found
