"""Which PACS get a gateway, what it is told, and how a worker then reaches them."""

import json
from pathlib import Path

import pytest

from emulator.topology.resolved import Cohort, Compute, Direction, Link, Pacs, Site
from nodes import pacs
from nodes.endpoints import Login
from nodes.gateway.hours import Window
from nodes.gateway.settings import Settings
from nodes.pacs.orthanc_release import Installed


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Certificates and passwords are this test's own; what is under test is not where this machine has Orthanc."""
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(Installed, "program", lambda _: ("/usr/sbin/Orthanc",))
    monkeypatch.setattr(Installed, "plugin", lambda _, name: f"/usr/share/orthanc/plugins/libOrthanc{name}.so")


def site(web: dict[str, object], name: str = "lyon") -> Site:
    direction = Direction(rate_bps=10**9, delay_s=0.001)
    cohort = Cohort("phantom", 2, {"control": 2}, "3T", ("mr",), "single-frame")
    link = Link("fibre", direction, direction)
    return Site(3, name, name, "namespace", link, Pacs("odd", "orthanc", {"web": web}), cohort, Compute(0.03))


def told(web: dict[str, object]) -> Settings:
    archive, gateway = pacs.get("orthanc").services(site(web), None)
    assert (archive.name, gateway.name) == ("lyon/pacs", "lyon/pacs-gateway")
    assert archive.place == gateway.place == "lyon/pacs"
    settings = Settings.of(json.loads(dict(gateway.files)["gateway.json"]))
    assert (settings.port, settings.archive_port) == (gateway.ready_port, archive.ready_port) == (8042, 18042)
    assert settings.host == "10.0.3.2"
    return settings


@pytest.mark.parametrize("web", [{}, {"auth": "basic"}])
def test_a_pacs_that_is_as_usual_costs_no_process_more(web: dict[str, object]) -> None:
    (archive,) = pacs.get("orthanc").services(site(web), None)
    assert archive.ready_port == 8042


def test_every_habit_reaches_the_gateway() -> None:
    web = {
        "page": 5,
        "includefield": False,
        "single_part": True,
        "frames": False,
        "bulkdata": False,
        "accept": "strict",
        "first_byte": "200ms",
        "idle": "3s",
        "rate": "20mbit",
        "closed": [{"at": "1min", "for": "30s", "every": "10min"}],
    }
    assert told(web) == Settings(
        "lyon", "10.0.3.2", 8042, 18042, page=5, includefield=False, single_part=True, frames=False, bulkdata=False,
        accept="strict", first_byte_s=0.2, idle_s=3.0, rate_bps=20_000_000, closed=(Window(60.0, 30.0, 600.0),),
    )  # fmt: skip


def test_who_may_call_is_the_same_to_both_ends_and_at_every_look() -> None:
    for auth in ("basic", "bearer"):
        web: dict[str, object] = {"auth": auth, "page": 5}
        login = pacs.get("orthanc").endpoint(site(web)).login
        assert isinstance(login, Login)
        assert told(web).caller == login
        assert len(login.password or login.token) == 32
        assert pacs.get("orthanc").endpoint(site(web)).login == login
        assert pacs.get("orthanc").endpoint(site(web, "nice")).login != login
    assert pacs.get("orthanc").endpoint(site({"page": 5})).login is None


def test_mutual_tls_names_the_worker_and_gives_it_its_certificate() -> None:
    web: dict[str, object] = {"auth": "mutual"}
    settings, endpoint = told(web), pacs.get("orthanc").endpoint(site(web))
    assert settings.tls is not None
    assert settings.tls.caller == "worker.lyon"
    assert endpoint.dicomweb == "https://10.0.3.2:8042/dicom-web/"
    assert endpoint.web_tls is not None
    assert all(Path(path).exists() for path in vars(endpoint.web_tls).values())
    _, gateway = pacs.get("orthanc").services(site(web), None)
    files = dict(gateway.files)
    assert files["authority.pem"] == Path(endpoint.web_tls.authority).read_text()
    assert {f"@FOLDER@/{name}" for name in files} >= {settings.tls.certificate, settings.tls.key, settings.tls.callers}
    assert pacs.get("orthanc").services(site(web), None)[1] == gateway


def test_tls_alone_asks_no_certificate_of_the_caller() -> None:
    web: dict[str, object] = {"tls": True, "page": 5}
    settings, endpoint = told(web), pacs.get("orthanc").endpoint(site(web))
    assert settings.tls is not None
    assert not settings.tls.callers
    assert endpoint.web_tls is not None
    assert not endpoint.web_tls.certificate
