"""Orthanc as its profiles have it, in a real world, judged by DCMTK, curl, psql and pynetdicom at the worker."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from networks import make_site, make_topology, quiet

from emulator.places import DICOMWEB_PORT
from emulator.topology.resolved import Cohort, Pacs, Site
from emulator.waiting import wait_until
from emulator.worlds import World
from emulator.worlds.record import service_folder
from nodes import cohorts, pacs
from nodes.endpoints import Endpoint
from nodes.errors import CannotHere
from nodes.pacs import postgresql
from nodes.pacs.orthanc_release import Installed, Unpacked
from testbed.composition import services
from testbed.inspection import AsSeenAt


def _lacks_postgresql() -> bool:
    try:
        postgresql.version()
        Installed().plugin("PostgreSQLIndex")
    except CannotHere:
        return True
    return shutil.which("psql") is None


pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(_lacks_postgresql(), reason="PostgreSQL, or Orthanc's plugin for it, is not installed here"),
]

PROFILES: dict[str, dict[str, object]] = {
    "strict": {
        "dimse": {
            "aet": "ARCHIVE",
            "check_called": True,
            "check_calling": True,
            "pdu_bytes": 4096,
            "idle": "1s",
        },
        "retrieve": ["c-get"],
    },
    "deaf": {"dimse": {"knows_worker": False}, "retrieve": ["wado-rs", "c-move"]},
    "secure": {"dimse": {"tls": True}, "web": {"auth": "basic"}},
    "closed": {"transcoding": False},
    "packed": {"compression": True, "database": "postgresql"},
}
NEWER = {"trixie": "orthanc@trixie", "sid": "orthanc@sid"}
PROFILES |= {suite: {"database": "postgresql"} for suite in NEWER if Unpacked(suite).root.exists()}
STUDIES = 1
STORED_LATER = "2.25.11"

Run = Callable[..., tuple[int, str]]


def flavour(profile: str) -> str:
    return NEWER.get(profile, "orthanc")


def hospital(index: int, profile: str) -> Site:
    cohort = Cohort("phantom", STUDIES, {"control": STUDIES}, "3T", ("mr",), "multi-frame")
    return replace(
        make_site(index, "regional", profile), pacs=Pacs(profile, flavour(profile), PROFILES[profile]), cohort=cohort
    )


SITES = [hospital(index, profile) for index, profile in enumerate(PROFILES, 1)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    before = os.environ.get("TESTBED_HOME")
    home = tmp_path_factory.mktemp("home")
    os.environ["TESTBED_HOME"] = str(home)
    topology = make_topology("habits", SITES)
    try:
        storages = cohorts.bake(topology.sites, topology.seed, home / "cache", quiet)
        yield World.up(topology, "habits", services(topology, storages), None, quiet)
    finally:
        World.down("habits")
        if before is None:
            del os.environ["TESTBED_HOME"]
        else:
            os.environ["TESTBED_HOME"] = before


@pytest.fixture
def at(world: World) -> Run:
    """Run a program at a site's worker: its exit code and what it printed."""
    return lambda site, *argv: world.output(f"{site}/worker", ["timeout", "60", *map(str, argv)])


def reached(name: str) -> Endpoint:
    (site,) = [site for site in SITES if site.name == name]
    return pacs.get(flavour(name)).endpoint(site)


def dimse(name: str, *, calling: str = "WORKER", called: str | None = None) -> list[str]:
    """Titles, address and port, as all programs of DCMTK take them."""
    endpoint = reached(name)
    return ["-aet", calling, "-aec", called or endpoint.aet, endpoint.host, str(endpoint.dimse_port)]


ALL = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=*", "-k", "StudyInstanceUID"]


def study(at: Run, name: str, *more: str) -> str:
    """A study that was baked, always the same, as findscu finds it."""
    code, said = at(name, "findscu", *more, *ALL, *dimse(name))
    found = re.findall(r"\(0020,000d\) UI \[([0-9.]+)", said)
    baked_ones = {uid for uid in found if uid != STORED_LATER}
    assert (code, len(baked_ones)) == (0, STUDIES), said
    return min(baked_ones)


@pytest.mark.parametrize("name", PROFILES)
def test_every_pacs_says_through_its_own_door_what_it_holds(world: World, name: str) -> None:
    (site,) = [site for site in SITES if site.name == name]
    answer = pacs.get(flavour(name)).probe(site, AsSeenAt(world, f"{name}/worker"))
    assert (answer.studies, answer.instances) == (STUDIES, STUDIES)


@pytest.mark.skipif(not PROFILES.keys() & NEWER.keys(), reason="no newer Orthanc is unpacked here")
def test_generations_stand_side_by_side_and_the_system_keeps_its_own(world: World, at: Run, tmp_path: Path) -> None:
    seen = AsSeenAt(world, "deaf/worker")
    (own,) = [site for site in SITES if site.name == "deaf"]
    versions = [pacs.get("orthanc").probe(own, seen).version]
    for site in SITES:
        if site.name in NEWER:
            versions.append(pacs.get(site.pacs.flavour).probe(site, AsSeenAt(world, f"{site.name}/worker")).version)
            code, said, files = retrieved(at, site.name, "getscu", tmp_path / site.name)
            assert (code, files) == (0, 1), said
            assert status(at, site.name, f"studies/{study(at, site.name)}/metadata") == "200"
            unpacked = Unpacked(site.name).program()
            assert unpacked[0].startswith("/opt/pacs-testbed/")
            assert versions[-1] in subprocess.run([*unpacked, "--version"], capture_output=True, text=True).stdout
    numbers = [tuple(map(int, version.split("."))) for version in versions]
    assert numbers == sorted(numbers)  # on Debian 13, trixie's is the system's own once more


def test_a_wrong_title_is_refused_on_either_side(at: Run) -> None:
    assert at("strict", "echoscu", *dimse("strict"))[0] == 0
    code, said = at("strict", "echoscu", *dimse("strict", called="ELSEWHERE"))
    assert (code != 0, "Called AE Title Not Recognized" in said) == (True, True), said
    code, said = at("strict", "echoscu", *dimse("strict", calling="STRANGER"))
    assert code != 0, said
    assert at("deaf", "echoscu", *dimse("deaf", calling="STRANGER", called="ANYTHING"))[0] == 0


def test_the_pdu_is_as_small_as_the_profile_says(at: Run) -> None:
    _, said = at("strict", "echoscu", "-d", *dimse("strict"))
    assert re.search(r"Their Max PDU Receive Size: +4096\b", said), said
    _, said = at("deaf", "echoscu", "-d", *dimse("deaf"))
    assert re.search(r"Their Max PDU Receive Size: +16384\b", said), said


def test_an_idle_association_is_dropped(at: Run) -> None:
    waiting = """
import sys, time
from pynetdicom import AE
entity = AE(ae_title="WORKER")
entity.add_requested_context("1.2.840.10008.1.1")
association = entity.associate(sys.argv[1], int(sys.argv[2]), ae_title=sys.argv[3])
assert association.is_established
deadline = time.monotonic() + 25  # without the option, Orthanc waits for 30 s
while association.is_established and time.monotonic() < deadline:
    time.sleep(0.05)
print("dropped" if not association.is_established else "kept")
association.abort()
"""
    endpoint = reached("strict")
    code, said = at("strict", sys.executable, "-c", waiting, endpoint.host, endpoint.dimse_port, endpoint.aet)
    assert (code, said.strip()) == (0, "dropped")


def retrieved(at: Run, name: str, tool: str, into: Path, *more: str, of: str = "") -> tuple[int, str, int]:
    """Fetch a study by one of DCMTK's tools: its exit code, its words, how many files came."""
    into.mkdir()
    wanted = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={of or study(at, name)}", "-od", into]
    code, said = at(name, tool, "-v", *more, *wanted, *dimse(name))
    return code, said, len(list(into.iterdir()))


MOVED = ("-aem", "WORKER", "+P", "11112")


def test_a_way_that_is_allowed_works_and_one_that_is_not_brings_nothing(at: Run, tmp_path: Path) -> None:
    code, said, files = retrieved(at, "strict", "getscu", tmp_path / "got")
    assert (code, files) == (0, 1), said
    assert retrieved(at, "strict", "movescu", tmp_path / "not-moved", *MOVED)[2] == 0
    assert retrieved(at, "deaf", "getscu", tmp_path / "not-got")[2] == 0
    assert status(at, "strict", "studies") == "404"
    assert status(at, "deaf", "studies") == "200"


def test_what_is_moved_comes_only_where_the_worker_is_known(at: Run, tmp_path: Path) -> None:
    code, said, files = retrieved(at, "packed", "movescu", tmp_path / "known", *MOVED)
    assert (code, files) == (0, 1), said
    code, said, files = retrieved(at, "deaf", "movescu", tmp_path / "unknown", *MOVED)
    assert files == 0
    assert "Failed" in said or "Unable" in said or code != 0, said


def status(at: Run, name: str, path: str, *more: object) -> str:
    """The status of an answer over DICOMweb, as curl sees it; 000: no answer at all."""
    endpoint = reached(name)
    root = endpoint.dicomweb or f"http://{endpoint.host}:{DICOMWEB_PORT}/dicom-web/"
    return at(name, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *more, root + path)[1]


def test_only_who_has_the_password_gets_in(at: Run) -> None:
    login = reached("secure").login
    assert login is not None
    assert status(at, "secure", "studies", "-u", f"{login.user}:{login.password}") == "200"
    assert status(at, "secure", "studies") == "401"
    assert status(at, "secure", "studies", "-u", f"{login.user}:guess") == "401"


def test_dicom_over_tls_wants_certificates_from_both_ends(at: Run) -> None:
    tls = reached("secure").dimse_tls
    assert tls is not None
    ours = ("+tls", tls.key, tls.certificate, "+cf", tls.authority)
    code, said = at("secure", "echoscu", *ours, *dimse("secure"))
    assert code == 0, said
    assert study(at, "secure", *ours)
    assert at("secure", "echoscu", *dimse("secure"))[0] != 0
    assert at("secure", "echoscu", "+tla", "+cf", tls.authority, *dimse("secure"))[0] != 0
    assert at("secure", "echoscu", "+tls", tls.key, tls.certificate, *dimse("secure"))[0] != 0


def test_what_is_stored_compressed_is_given_uncompressed_only_by_a_pacs_that_transcodes(
    at: Run, tmp_path: Path
) -> None:
    came = {}
    for name in ("packed", "closed"):
        folder, plain, coded = tmp_path / name, tmp_path / f"{name}.dcm", tmp_path / f"{name}.rle"
        _, said, files = retrieved(at, name, "getscu", folder)
        assert files == 1, said
        (path,) = folder.iterdir()
        shutil.copy(path, plain)
        uids = {"StudyInstanceUID": STORED_LATER, "SeriesInstanceUID": "2.25.12", "SOPInstanceUID": "2.25.13"}
        changes = [word for key, uid in uids.items() for word in ("-m", f"{key}={uid}")]
        assert at(name, "dcmodify", "-nb", "-gin", *changes, plain)[0] == 0
        assert at(name, "dcmcrle", plain, coded)[0] == 0
        code, said = at(name, "storescu", "-xr", *dimse(name), coded)
        assert code == 0, said
        came[name] = retrieved(at, name, "getscu", tmp_path / f"{name}-got", of=STORED_LATER)[2]
    assert came == {"packed": 1, "closed": 0}


def files_of(world: World, name: str) -> list[bytes]:
    """The beginnings of the files in a site's baked storage."""
    return [path.read_bytes()[:132] for path in baked(world, name).glob("??/??/*")]


def baked(world: World, name: str) -> Path:
    (layer,) = [one.overlay for one in world.record.services if one.name == f"{name}/pacs"]
    assert layer is not None
    return Path(layer.lower)


def test_compressed_storage_is_smaller_and_gives_the_same_dicom(world: World, at: Run, tmp_path: Path) -> None:
    assert any(head[128:] == b"DICM" for head in files_of(world, "deaf"))
    assert not any(head[128:] == b"DICM" for head in files_of(world, "packed"))
    code, said, files = retrieved(at, "packed", "getscu", tmp_path / "got")
    assert (code, files) == (0, 1), said
    (path,) = (tmp_path / "got").iterdir()
    assert path.read_bytes()[128:132] == b"DICM"


def test_the_index_is_in_a_postgresql_that_only_its_pacs_can_ask(world: World) -> None:
    host = reached("packed").host
    asking = ["psql", "-h", host, "-U", "orthanc", "postgres", "-tAc", "select count(*) from dicomidentifiers"]
    code, said = world.output("packed/pacs", asking)
    assert code == 0, said
    assert int(said) >= STUDIES
    code, said = world.output("packed/worker", asking)
    assert (code != 0, "no pg_hba.conf entry" in said) == (True, True), said
    assert not (baked(world, "packed") / "index").exists()
    assert (baked(world, "deaf") / "index").exists()


def test_a_pacs_finds_its_studies_again_after_it_and_its_database_were_restarted(world: World, at: Run) -> None:
    before = study(at, "packed")
    for name in ("packed/pacs", "packed/pacs-database"):
        pid = (service_folder(world.folder, name) / "pid").read_text().split()[0]
        code, said = world.output("packed/pacs", ["kill", "-9", pid])
        assert code == 0, said
    wait_until(
        lambda: not any(map(world.services().get, ("packed/pacs", "packed/pacs-database"))),
        within_s=60,
        what="their end",
    )
    World.up(world.topology, "habits", world.record.services, None, quiet)
    assert all(world.services().values())
    assert study(at, "packed") == before
