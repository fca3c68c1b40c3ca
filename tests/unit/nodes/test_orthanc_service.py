import json
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.places import Service
from emulator.topology.resolved import Cohort, Compute, Direction, DownToxic, Link, Pacs, Site
from nodes import pacs
from nodes.errors import UnknownName, WrongInput
from nodes.pacs import orthanc

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
    monkeypatch.setattr(orthanc, "_found_program", lambda: "/usr/sbin/Orthanc")
    monkeypatch.setattr(orthanc, "_found_plugin", lambda: "/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


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
    variables = orthanc._variables("filling", "/s", 9, orthanc.OrthancHabits(), dimse=False)
    filling = json.loads(orthanc.render(variables))
    differing = {key for key in serving if serving[key] != filling[key]}
    harmless = {"Name", "StorageDirectory", "IndexDirectory", "HttpPort", "DicomServerEnabled", "DicomAet"}
    assert differing <= harmless
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
