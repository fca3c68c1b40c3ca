"""What is written for archives that speak DIMSE only; that they obey is shown with real ones (integration)."""

import json
import socket
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator.topology.resolved import Cohort, Compute, Direction, DownToxic, Link, Pacs, Site
from nodes import pacs
from nodes.errors import PullFailed, WrongInput
from nodes.pacs import dcmjs_dimse, dcmqrscp, tiny_pacs
from nodes.pacs.dimse_only import DimseOnly

FLAVOURS = [name for name in sorted(pacs.names()) if isinstance(pacs.get(name), DimseOnly)]


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under test is what is written, not where this machine has the programs."""
    monkeypatch.setattr(dcmqrscp, "_found_program", lambda: "/usr/bin/dcmqrscp")
    monkeypatch.setattr(dcmjs_dimse, "_found", lambda: Path("/usr/local/lib/pacs-testbed/dcmjs-dimse"))
    monkeypatch.setattr(tiny_pacs, "_found_folder", lambda: Path("/usr/local/lib/pacs-testbed/tiny-pacs"))


def site(flavour: str, **options: Any) -> Site:
    direction = Direction(rate_bps=10**9, delay_s=0.001)
    cohort = Cohort("phantom", 2, {"control": 2}, "3T", ("mr",), "single-frame")
    link = Link("fibre", direction, direction)
    return Site(3, "lyon-1", "lyon", "namespace", link, Pacs("old", flavour, options), cohort, Compute(0.03))


def configured(**options: Any) -> str:
    (service,) = pacs.get("dcmqrscp").services(site("dcmqrscp", **options), None)
    return dict(service.files)["dcmqrscp.cfg"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_baked_storage_is_a_lower_layer_in_the_service_s_own_folder(flavour: str) -> None:
    (service,) = pacs.get(flavour).services(site(flavour), Path("/cache/abc/storage"))
    assert service.name == service.place == "lyon-1/pacs"
    assert (service.ready_port, service.ready_path) == (4242, None)
    assert service.overlay is not None
    assert (service.overlay.lower, service.overlay.target) == ("/cache/abc/storage", "@FOLDER@/storage")
    assert "/cache" not in "".join([*service.argv, *dict(service.files).values()])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_its_worker_is_told_that_there_is_no_dicomweb(flavour: str) -> None:
    endpoint = pacs.get(flavour).endpoint(site(flavour, dimse={"aet": "OLD", "nodelay": False}, retrieve=["c-move"]))
    assert (endpoint.dicomweb, endpoint.dimse_port, endpoint.host) == (None, 4242, "10.0.3.2")
    assert (endpoint.aet, endpoint.nodelay, endpoint.retrieve) == ("OLD", False, ("c-move",))
    assert pacs.get(flavour).endpoint(site(flavour)).aet == "LYON_1"


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dimse": False}, "leaves nothing"),
        ({"retrieve": ["wado-rs", "c-get"]}, "'wado-rs' can't be in `retrieve`; it has c-get, c-move"),
        ({"web": {"page": 10}}, "`web` has nothing to say"),
        ({"dimse": {"tls": True}}, "can't do dimse: {tls}"),
        ({"dimse": {"aet": "too low"}}, "option 'dimse.*aet"),
        ({"http_threads": 4}, "has no option 'http_threads'"),
    ],
)
def test_what_it_can_not_do_is_refused_with_the_name_of_the_profile(
    flavour: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(WrongInput, match=f"PACS profile 'old'.*{said}"):
        pacs.get(flavour).services(site(flavour, **options), None)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_toxic_on_a_port_that_it_has_not_is_refused(flavour: str) -> None:
    ill = replace(site(flavour), toxics=(DownToxic(on="dicomweb"),))
    with pytest.raises(WrongInput, match="site 'lyon-1': a toxic on 'dicomweb'"):
        pacs.get(flavour).services(ill, None)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_pacs_that_is_not_there_is_named_with_its_address(flavour: str) -> None:
    class Nowhere:
        def transport(self) -> Any:
            raise AssertionError("nobody speaks HTTP here")

        def connect(self, host: str, port: int, timeout_s: float) -> socket.socket:
            with socket.socket() as closed:
                closed.bind(("127.0.0.1", 0))
                return socket.create_connection(closed.getsockname(), timeout_s)

    with pytest.raises(PullFailed, match=r"lyon-1/pacs does not answer at 10\.0\.3\.2:4242: .*refused"):
        pacs.get(flavour).probe(site(flavour), Nowhere())


def test_dcmqrscp_is_told_what_the_profile_says() -> None:
    usual = configured()
    assert "LYON_1 storage RW (500, 1024mb) ANY" in usual
    assert "worker = (WORKER, 10.0.3.3, 11112)" in usual
    assert "MaxPDUSize      = 16384" in usual
    strict = configured(dimse={"aet": "OLD", "check_calling": True, "associations": 2, "pdu_bytes": 4096})
    assert "OLD storage RW (500, 1024mb) (WORKER, 10.0.3.3, 11112)" in strict
    assert "MaxPDUSize      = 4096" in strict
    assert "MaxAssociations = 2" in strict


@pytest.mark.parametrize("options", [{"dimse": {"knows_worker": False}}, {"retrieve": ["c-get"]}])
def test_dcmqrscp_has_no_destination_for_a_c_move_that_may_not_be(options: dict[str, Any]) -> None:
    assert "worker =" not in configured(**options)


def test_dcmqrscp_takes_the_syntax_that_its_hospital_writes() -> None:
    def options(**given: Any) -> tuple[str, ...]:
        return pacs.get("dcmqrscp").services(site("dcmqrscp", **given), None)[0].argv

    assert "+xt" in options(writes={"syntax": "jpeg-ls"})
    assert not any(option.startswith("+x") for option in options())
    assert "--disable-get" in options(retrieve=["c-move"])
    assert "--disable-get" not in options()


def test_dcmqrscp_refuses_more_studies_than_it_can_hold() -> None:
    one = site("dcmqrscp")
    crowded = replace(one, cohort=replace(one.cohort, studies=501, classes={"control": 501}))
    with pytest.raises(WrongInput, match="site 'lyon-1': 501 studies, but dcmqrscp holds at most 500"):
        pacs.get("dcmqrscp").services(crowded, None)


@pytest.mark.parametrize("nodelay", [True, False])
def test_nagle_is_the_choice_of_the_profile(nodelay: bool) -> None:
    (service,) = pacs.get("dcmqrscp").services(site("dcmqrscp", dimse={"nodelay": nodelay}), None)
    assert (("TCP_NODELAY", "1") in service.env) is nodelay


@pytest.mark.parametrize(("option", "value"), [("check_calling", True), ("associations", 2)])
def test_what_tiny_pacs_has_no_word_for_is_refused(option: str, value: object) -> None:
    with pytest.raises(WrongInput, match=f"tiny-pacs can't do dimse: {{{option}}}"):
        pacs.get("tiny-pacs").services(site("tiny-pacs", dimse={option: value}), None)


def test_qrscp_is_told_what_the_profile_says() -> None:
    def written(**options: Any) -> ConfigParser:
        (service,) = pacs.get("pynetdicom-qrscp").services(site("pynetdicom-qrscp", **options), None)
        parser = ConfigParser()
        parser.read_string(dict(service.files)["qrscp.ini"])
        return parser

    strict = written(dimse={"check_called": True, "check_calling": True, "associations": 1, "idle": "1500ms"})
    said = strict["DEFAULT"]
    assert (said["check_called"], said["callers"], said["associations"]) == ("True", "WORKER", "1")
    assert said["network_timeout"] == "2"
    assert dict(strict["WORKER"]).items() >= {"address": "10.0.3.3", "port": "11112"}.items()
    assert written(retrieve=["c-get"]).sections() == []


def test_tiny_pacs_moves_to_the_worker_only_where_it_knows_it() -> None:
    def devices(**options: Any) -> Any:
        (service,) = pacs.get("tiny-pacs").services(site("tiny-pacs", **options), None)
        return json.loads(dict(service.files)["tiny_pacs.json"])["components"]["Devices"]["devices"]

    assert devices() == {"WORKER": {"aet": "WORKER", "address": "10.0.3.3", "port": 11112}}
    assert devices(dimse={"knows_worker": False}) == {}


def test_dcmjs_dimse_is_told_what_the_profile_says() -> None:
    def written(**options: Any) -> Any:
        (service,) = pacs.get("dcmjs-dimse").services(site("dcmjs-dimse", **options), None)
        return json.loads(dict(service.files)["dcmjs-dimse.json"])

    strict = written(dimse={"check_called": True, "associations": 1, "nodelay": False}, retrieve=["c-move"])
    assert (strict["check_called"], strict["check_calling"], strict["associations"]) == (True, False, 1)
    assert (strict["ways"], strict["destination"], strict["nodelay"]) == (["c-move"], "10.0.3.3", False)
    assert written(dimse={"knows_worker": False})["destination"] is None


def test_dcmjs_dimse_refuses_what_it_can_not_read() -> None:
    with pytest.raises(WrongInput, match="can't read deflated"):
        pacs.get("dcmjs-dimse").services(site("dcmjs-dimse", writes={"syntax": "deflated"}), None)
