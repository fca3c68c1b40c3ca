"""What probing finds out of real servers is what they do, and broken ones give findings."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from probed_servers import dcmqrscp_with_studies, dial, guarded_orthanc, mutual_server, orthanc_with_studies, saying

from nodes.endpoints import Endpoint
from nodes.probe import Capabilities, probe
from nodes.probe.capabilities import cells

pytestmark = pytest.mark.integration

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
PATIENCE_S = 30.0  # of a real server on a busy machine
WITHIN_S = 120.0


def _probed(endpoint: Endpoint) -> Capabilities:
    return probe(endpoint, dial, PATIENCE_S, WITHIN_S)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, Capabilities]]:
    with orthanc_with_studies(tmp_path_factory.mktemp("orthanc")) as endpoint:
        yield endpoint, _probed(endpoint)


@pytest.fixture(scope="module")
def dcmqrscp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, Capabilities]]:
    with dcmqrscp_with_studies(tmp_path_factory.mktemp("dcmqrscp")) as endpoint:
        yield endpoint, _probed(endpoint)


def test_orthanc_s_web_side_is_found_as_it_is(orthanc: tuple[Endpoint, Capabilities]) -> None:
    _, found = orthanc
    assert found.web is not None
    web, qido, wado = found.web, found.web.qido, found.web.wado
    assert (web.answers, web.auth, web.tls, web.stow, web.keep_alive) == (True, "none", "none", True, True)
    assert web.idle_close_s is not None
    assert 0.4 < web.idle_close_s < 2  # Orthanc's own time-out is between 0.5 and 1.5 s
    assert all((qido.studies, qido.series, qido.instances, qido.series_of_study, qido.instances_of_series))
    assert (qido.limit, qido.offset, qido.page, qido.rows_seen) == (True, True, None, 3)
    assert qido.includefield
    assert qido.keys is not None
    assert {"PatientName", "StudyDate", "ModalitiesInStudy"} <= set(qido.keys)
    assert (qido.wildcard, qido.retrieve_url) == (True, "absolute")
    assert all((wado.study, wado.series, wado.instance, wado.metadata, wado.frames, wado.bulkdata))
    assert (wado.parts, wado.stored) == ("multipart", EXPLICIT)
    assert wado.syntaxes is not None
    assert EXPLICIT in wado.syntaxes


def test_what_is_found_of_queries_is_what_other_clients_meet(orthanc: tuple[Endpoint, Capabilities]) -> None:
    endpoint, found = orthanc
    assert found.web is not None

    def matches(name: str) -> bool:
        answer = httpx.get(
            f"{endpoint.dicomweb}studies?PatientName={name}", headers={"Accept": "application/dicom+json"}
        )
        return bool(answer.json())

    assert found.web.qido.percent_encoding == matches("ALPHA%5EANNE")
    assert found.web.qido.non_ascii == matches("M%C3%BC*")
    assert found.web.qido.ignores_case == matches("alp*")


def test_a_service_that_is_offered_but_aborted_is_none(orthanc: tuple[Endpoint, Capabilities]) -> None:
    """Orthanc accepts C-GET's context of everybody, and aborts when one that it does not know uses it."""
    _, found = orthanc
    assert found.dimse is not None
    assert (found.dimse.echo, found.dimse.store, found.dimse.get, found.dimse.move) == (True, True, False, False)
    assert (
        "lyon/pacs: C-GET: its context is accepted, but at the first request it aborted the association"
        in found.findings
    )


def test_dcmqrscp_is_found_as_it_is(dcmqrscp: tuple[Endpoint, Capabilities]) -> None:
    _, found = dcmqrscp
    assert found.web is None
    assert found.dimse is not None
    dimse, find = found.dimse, found.dimse.find
    assert (dimse.implementation or "").startswith("OFFIS_DCMTK")
    assert (dimse.max_pdu, dimse.checks_called, dimse.checks_calling, dimse.together) == (32768, True, False, True)
    assert (dimse.echo, dimse.get, dimse.move, dimse.store) == (True, True, True, True)
    assert (dimse.unknown_destination, dimse.knows_worker, dimse.gives) == ("A801", True, EXPLICIT)
    assert set(dimse.store_syntaxes or ()) == {EXPLICIT, IMPLICIT}
    assert (find.studies, find.series, find.images, find.row_a_study) == (True, True, True, True)
    assert (find.wildcard, find.ignores_case, find.modalities, find.counts) == (True, False, False, False)
    assert "ModalitiesInStudy" not in (find.keys or ())
    assert found.findings == ()


def test_a_guarded_server_is_found_to_ask_for_a_login(tmp_path: Path) -> None:
    with guarded_orthanc(tmp_path) as endpoint:
        found, unknown = _probed(endpoint), _probed(replace(endpoint, login=None))
    assert found.web is not None
    assert (found.web.auth, found.web.tls, found.web.client_certificate) == ("basic", "none", None)
    assert (found.web.qido.studies, found.web.wado.study) == (True, True)
    assert unknown.web is not None
    assert (unknown.answers, unknown.web.auth, unknown.web.qido.studies) == (True, "basic", None)


def test_a_server_is_found_to_ask_for_a_certificate(tmp_path: Path) -> None:
    with mutual_server(tmp_path) as endpoint:
        found = _probed(endpoint)
        assert endpoint.web_tls is not None
        stranger = _probed(replace(endpoint, web_tls=replace(endpoint.web_tls, certificate="", key="")))
    assert found.web is not None
    assert (found.answers, found.web.client_certificate, found.web.qido.studies) == (True, True, True)
    assert (found.web.tls or "").startswith("TLSv1.")
    assert stranger.web is not None
    assert (stranger.answers, stranger.web.client_certificate) == (False, True)


def test_nothing_is_left_behind(orthanc: tuple[Endpoint, Capabilities], tmp_path: Path) -> None:
    endpoint, _ = orthanc
    root = (endpoint.dicomweb or "").removesuffix("dicom-web/")
    before = httpx.get(f"{root}statistics").json()
    _probed(endpoint)
    assert httpx.get(f"{root}statistics").json() == before
    assert httpx.get(f"{root}jobs").json() == []


def test_nagle_s_stall_is_found_where_it_is(dcmqrscp: tuple[Endpoint, Capabilities], tmp_path: Path) -> None:
    _, quick = dcmqrscp
    with dcmqrscp_with_studies(tmp_path, nodelay=False) as endpoint:
        slow = _probed(endpoint)
    assert quick.dimse is not None
    assert slow.dimse is not None
    assert slow.dimse.stalls
    assert (slow.dimse.get_s or 0) > (quick.dimse.get_s or 0)


def test_an_association_that_is_rejected_is_an_answer(dcmqrscp: tuple[Endpoint, Capabilities]) -> None:
    endpoint, _ = dcmqrscp
    found = _probed(replace(endpoint, aet="SOMEBODY"))
    assert found.dimse is not None
    assert found.answers
    assert found.dimse.get is None
    assert "Called AE title not recognised" in found.findings[0]


_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<h1>Sorry</h1>\n"
_LOGIN = b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
_NIGHT = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
_CUT = b'HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 900\r\n\r\n[{"0020000D"'


@pytest.mark.parametrize(
    ("answer", "answers", "studies", "finding"),
    [
        (b"", False, None, "no answer"),
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", False, None, "no answer"),
        (_PAGE, True, False, "with no list of data sets: text/html"),
        (_NIGHT, True, None, "503 Service Unavailable"),
        (_LOGIN, True, None, "401 Unauthorized"),
        (_CUT, False, None, "no answer"),
    ],
    ids=["silence", "noise", "web page", "night", "login", "cut"],
)
def test_a_web_server_that_is_none_gives_findings_in_bounded_time(
    answer: bytes, answers: bool, studies: bool | None, finding: str
) -> None:
    started = time.monotonic()
    with saying(answer, holds=not answer) as port:
        found = probe(Endpoint("lyon", "127.0.0.1", f"http://127.0.0.1:{port}/dicom-web/", None), dial, 0.5, 5)
    assert time.monotonic() - started < 60
    assert found.web is not None
    assert (found.answers, found.web.qido.studies) == (answers, studies)
    assert any(finding in one for one in found.findings), found.findings
    if answer == _LOGIN:
        assert found.web.auth == "basic"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x02\x00\x00\x00\x00\x04oops",
        b"\x02\x00\xff\xff\xff\xff",
        b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00",
        b"\x03\x00\x00\x00\x00\x04\x00\x07\x09\x63",
    ],
    ids=["silence", "HTTP", "nonsense", "endless", "abort", "odd rejection"],
)
def test_a_dicom_server_that_is_none_gives_findings_in_bounded_time(answer: bytes) -> None:
    started = time.monotonic()
    with saying(answer, holds=not answer) as port:
        found = probe(Endpoint("lyon", "127.0.0.1", None, port), dial, 0.5, 5)
    assert time.monotonic() - started < 60
    assert found.dimse is not None
    assert found.dimse.echo is None
    assert found.findings[0].startswith("lyon/pacs: ")


def test_nobody_there_is_a_finding() -> None:
    found = probe(Endpoint("lyon", "127.0.0.1", "http://127.0.0.1:9/dicom-web/", 9), dial)
    assert not found.answers
    assert len(found.findings) == 2
    assert all(value in (None, False) for _, _, value in cells(found))


def test_a_server_that_trickles_is_cut_off_in_time() -> None:
    with saying(b"HTTP/1.1 200 OK\r\n", holds=True) as port:  # and no header ever ends
        found = probe(Endpoint("lyon", "127.0.0.1", f"http://127.0.0.1:{port}/", None), dial, 60, 1)
    assert not found.answers
    assert found.took_s < 30


def test_capabilities_are_json(orthanc: tuple[Endpoint, Capabilities]) -> None:
    _, found = orthanc

    def plain(value: Any) -> Any:
        return json.loads(json.dumps(value))

    assert plain(asdict(found))["web"]["qido"]["rows_seen"] == 3
