import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from emulator.places import Service
from emulator.topology.resolved import Cohort, Compute, Direction, DownToxic, Link, Pacs, Site
from emulator.worlds.transport import PlaceTransport
from nodes import pacs
from nodes.endpoints import Endpoint, Login
from nodes.errors import CannotHere, PullFailed, UnknownName, WrongInput
from nodes.pacs import orthanc, orthanc_settings, postgresql
from nodes.pacs.orthanc_habits import checked
from nodes.pacs.orthanc_release import Installed, Unpacked

ROOT = Path(__file__).resolve().parents[3]


def site(**options: object) -> Site:
    direction = Direction(rate_bps=10**9, delay_s=0.001)
    cohort = Cohort("phantom", 2, {"control": 2}, "3T", ("mr",), "single-frame")
    link = Link("fibre", direction, direction)
    return Site(3, "lyon", "lyon", "namespace", link, Pacs("modern", "orthanc", options), cohort, Compute(0.03))


def service(storage: Path | None = None, **options: object) -> Service:
    return pacs.get("orthanc").services(site(**options), storage)[0]


def configuration(of: Service) -> dict[str, object]:
    parsed = json.loads(dict(of.files)["orthanc.json"])
    assert isinstance(parsed, dict)
    return parsed


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under test is what is written, not where this machine has Orthanc."""
    monkeypatch.setattr(Installed, "program", lambda _: ("/usr/sbin/Orthanc",))
    monkeypatch.setattr(Installed, "plugin", lambda _, name: f"/usr/share/orthanc/plugins/libOrthanc{name}.so")


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Certificates and passwords are this test's own."""
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))


def test_the_configuration_is_json_with_the_settings_that_matter() -> None:
    written = configuration(service())
    assert written["HttpPort"] == 8042
    assert written["HttpThreadsCount"] == 4
    assert written["HttpCompressionEnabled"] is False
    assert written["SaveJobs"] is False
    assert written["Plugins"] == ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"]


def test_the_baked_storage_is_a_lower_layer_and_never_the_storage_itself() -> None:
    made = service(Path("/cache/abc/storage"))
    assert made.overlay is not None
    assert made.overlay.lower == "/cache/abc/storage"
    assert configuration(made)["StorageDirectory"] == made.overlay.target
    assert service(None).overlay is None


def test_filling_and_serving_differ_in_nothing_that_reaches_the_index() -> None:
    serving = configuration(service())
    habits = checked(site().pacs)
    filling = json.loads(orthanc_settings.render(orthanc_settings.filling("/s", 9, habits, Installed())))
    differing = {key for key in serving if serving[key] != filling[key]}
    harmless = {"Name", "StorageDirectory", "IndexDirectory", "HttpPort", "DicomServerEnabled", "DicomAet"}
    assert differing <= {*harmless, "DicomModalities"}
    assert serving.keys() == filling.keys()


def test_without_nodelay_the_profile_has_the_slow_dimse_of_real_hospitals() -> None:
    assert service().env == (("TCP_NODELAY", "1"),)
    assert service(dimse={"nodelay": False}).env == ()


def test_an_unknown_option_is_named_with_those_that_exist() -> None:
    with pytest.raises(WrongInput, match=r"no option 'dimsi'.*dimse"):
        service(dimsi=True)


@pytest.mark.parametrize("value", [0, -1, True, "4"])
def test_an_option_of_the_wrong_kind_is_refused(value: object) -> None:
    with pytest.raises(WrongInput, match="http_threads"):
        service(http_threads=value)


def test_an_unknown_flavour_offers_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match="did you mean 'orthanc'"):
        pacs.get("orthank")


def test_the_role_for_machines_renders_the_very_same_template() -> None:
    role = ROOT / "ansible/roles/orthanc/templates/orthanc.json.j2"
    assert role.read_text() == (ROOT / "nodes/pacs/orthanc.json.j2").read_text()


def test_a_toxic_on_a_dimse_port_that_the_pacs_has_not_is_refused() -> None:
    poisoned = replace(site(dimse=False), toxics=(DownToxic(on="dimse"),))
    with pytest.raises(WrongInput, match=r"site 'lyon': a toxic on 'dimse'.*dimse: false"):
        pacs.get("orthanc").services(poisoned, None)


def endpoint(**options: object) -> Endpoint:
    return pacs.get("orthanc").endpoint(site(**options))


def dimse(**options: object) -> dict[str, object]:
    return configuration(service(dimse=options))


def test_by_default_everybody_is_served_in_every_way_and_the_worker_is_known() -> None:
    written = configuration(service())
    allowed = ("Echo", "Store", "Find", "Get", "Move")
    assert all(written[f"DicomAlwaysAllow{what}"] is True for what in allowed)
    assert written["DicomCheckCalledAet"] is False
    assert written["DicomModalities"] == {
        "worker": {"AET": "WORKER", "Host": "10.0.3.3", "Port": 11112, "AllowGet": True, "AllowMove": True}
    }
    assert endpoint().retrieve == ("wado-rs", "c-get", "c-move")


def test_a_pacs_that_checks_its_callers_lets_nobody_in_but_those_of_its_list() -> None:
    written = dimse(check_calling=True, check_called=True, aet="ARCHIVE")
    allowed = ("Echo", "Store", "Find", "Get", "Move")
    assert not any(written[f"DicomAlwaysAllow{what}"] for what in allowed)
    assert written["DicomCheckCalledAet"] is True
    assert written["DicomAet"] == "ARCHIVE"
    assert "worker" in written["DicomModalities"]  # type: ignore[operator] # parsed JSON
    assert endpoint(dimse={"aet": "ARCHIVE"}).aet == "ARCHIVE"


def test_a_pacs_that_does_not_know_the_worker_has_no_destination_for_it() -> None:
    assert dimse(knows_worker=False)["DicomModalities"] == {}


def test_pdu_and_patience_are_the_profiles() -> None:
    written = dimse(pdu_bytes=4096, idle="5s")
    assert written["MaximumPduLength"] == 4096
    assert written["DicomScpTimeout"] == 5


@pytest.mark.parametrize("way", ["c-get", "c-move", "wado-rs"])
def test_a_way_that_the_hospital_does_not_allow_is_closed_for_the_worker_too(way: str) -> None:
    ways = {"wado-rs", "c-get", "c-move"} - {way}
    written = configuration(service(retrieve=sorted(ways)))
    worker = written["DicomModalities"]["worker"]  # type: ignore[index] # parsed JSON
    assert written["DicomAlwaysAllowGet"] is worker["AllowGet"] is (way != "c-get")
    assert written["DicomAlwaysAllowMove"] is worker["AllowMove"] is (way != "c-move")
    assert len(written["Plugins"]) == (way != "wado-rs")  # type: ignore[arg-type] # parsed JSON
    reached = endpoint(retrieve=sorted(ways))
    assert set(reached.retrieve) == ways
    assert (reached.dicomweb is None) is (way == "wado-rs")


def test_without_dimse_only_the_web_is_left() -> None:
    assert endpoint(dimse=False).retrieve == ("wado-rs",)
    assert endpoint(dimse=False).dimse_port is None
    assert configuration(service(dimse=False))["DicomServerEnabled"] is False


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dimse": {"associations": 1}}, "'dimse.associations': Orthanc takes any number"),
        ({"dimse": {"idle": "500ms"}}, "'dimse.idle' is 0.5s; Orthanc counts whole seconds"),
        ({"dimse": {"check_calling": True, "knows_worker": False}}, "could not call it at all"),
        ({"dimse": False, "retrieve": ["c-get"]}, "'dimse: false' leaves none"),
    ],
)
def test_what_orthanc_cannot_do_is_refused_and_never_ignored(options: dict[str, object], said: str) -> None:
    for asked in (service, endpoint):
        with pytest.raises(WrongInput, match=f"PACS profile 'modern': .*{said}"):
            asked(**options)


def test_compression_is_part_of_the_storage_and_of_its_key() -> None:
    assert configuration(service(compression=True))["StorageCompression"] is True
    key = pacs.get("orthanc").storage_key
    assert key(site().pacs) == {} != key(site(compression=True).pacs)
    variables = orthanc_settings.filling("/s", 9, checked(site(compression=True).pacs), Installed())
    assert json.loads(orthanc_settings.render(variables))["StorageCompression"] is True


def test_a_pacs_transcodes_over_dimse_unless_it_is_told_not_to() -> None:
    assert configuration(service())["TranscodeDicomProtocol"] is True
    assert configuration(service(transcoding=False))["TranscodeDicomProtocol"] is False


def test_an_index_in_postgresql_is_a_second_server_on_the_pacs_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "program", lambda name: f"/usr/lib/postgresql/15/bin/{name}")
    monkeypatch.setattr(postgresql, "version", lambda: "15")
    postgres = site(database="postgresql")
    archive, database = pacs.get("orthanc").services(postgres, Path("/cache/abc/storage"))
    assert (database.name, database.place) == ("lyon/pacs-database", "lyon/pacs")
    assert database.overlay is not None
    assert database.overlay.lower == "/cache/abc/storage/postgresql"
    written, files = configuration(archive), dict(database.files)
    index = written["PostgreSQL"]
    assert isinstance(index, dict)
    assert (index["Host"], index["Port"]) == ("10.0.3.2", database.ready_port)
    assert files["pg_hba.conf"] == "host all orthanc 10.0.3.2/32 trust\n"
    assert "initdb" not in " ".join(database.argv)
    (_, empty) = pacs.get("orthanc").services(postgres, None)
    assert "initdb" in " ".join(empty.argv)
    assert pacs.get("orthanc").storage_key(postgres.pacs) == {"database": "postgresql 15"}
    assert "PostgreSQL" not in configuration(service())


def test_generations_differ_in_where_they_lie_and_in_nothing_that_is_said_to_them() -> None:
    assert {"orthanc", "orthanc@trixie", "orthanc@sid"} <= pacs.names()
    assert pacs.get("orthanc@sid").name == "orthanc@sid"
    for flavour in ("orthanc@trixie", "orthanc@sid"):
        assert pacs.get(flavour).endpoint(site()) == endpoint()


def test_a_generation_that_is_not_here_says_how_to_get_it() -> None:
    with pytest.raises(CannotHere, match=r"Debian etch's Orthanc is not here.*orthanc-etch.*\./dev install"):
        Unpacked("etch").program()


def test_a_password_is_asked_for_and_the_endpoint_says_which() -> None:
    written, login = configuration(service(web={"auth": "basic"})), endpoint(web={"auth": "basic"}).login
    assert isinstance(login, Login)
    assert written["AuthenticationEnabled"] is True
    assert written["RegisteredUsers"] == {login.user: login.password}
    assert len(login.password) == 32
    assert service(web={"auth": "basic"}).ready_path is None
    assert configuration(service())["AuthenticationEnabled"] is False


def test_tls_is_the_same_at_the_next_look_and_its_files_are_there() -> None:
    made, tls = service(dimse={"tls": True}), endpoint(dimse={"tls": True}).dimse_tls
    assert made == service(dimse={"tls": True})
    written, files = configuration(made), dict(made.files)
    named = ("DicomTlsCertificate", "DicomTlsPrivateKey", "DicomTlsTrustedCertificates")
    assert {str(written[key]).removeprefix("@FOLDER@/") for key in named} == files.keys() - {"orthanc.json"}
    assert tls is not None
    assert Path(tls.authority).read_text() == files["authority.pem"]
    assert Path(tls.certificate).exists()
    assert Path(tls.key).exists()
    assert endpoint().dimse_tls is None


def test_habits_that_need_a_gateway_are_left_to_it_altogether() -> None:
    made = service(web={"auth": "basic", "page": 5})
    assert configuration(made)["AuthenticationEnabled"] is False
    assert configuration(made)["RemoteAccessAllowed"] is False
    assert configuration(made)["HttpPort"] == made.ready_port == 18042
    assert made.ready_path is None  # it answers its own machine alone


class Thinking(BaseHTTPRequestHandler):
    """Orthanc's administration, as a gateway with a slow first byte hands it on."""

    def do_GET(self) -> None:
        time.sleep(0.3)
        body = json.dumps({"Version": "1.12.7", "CountStudies": 2, "CountInstances": 9}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Near:
    """Whatever is called answers on this port of loopback."""

    port: int

    def transport(self, tls: ssl.SSLContext | None = None) -> httpx.BaseTransport:
        return PlaceTransport(lambda host, port, timeout_s: self.connect(host, port, timeout_s), tls)

    def connect(self, _host: str, _port: int, timeout_s: float) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)


def test_status_waits_for_a_pacs_that_thinks_as_long_as_its_profile_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orthanc, "_ANSWERS_WITHIN_S", 0.1)  # in place of ten seconds, and of a test of twenty
    with ThreadingHTTPServer(("127.0.0.1", 0), Thinking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            near = Near(server.server_address[1])
            found = pacs.get("orthanc").probe(site(web={"first_byte": "400ms"}), near)
            with pytest.raises(PullFailed, match="does not answer"):
                pacs.get("orthanc").probe(site(), near)
        finally:
            server.shutdown()
            thread.join()
    assert (found.studies, found.instances) == (2, 9)
