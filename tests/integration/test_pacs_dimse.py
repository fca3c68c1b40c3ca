"""PACS that speak DIMSE only, each with several habits; DCMTK's tools, which we did not write, judge."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from networks import make_site, make_topology, quiet
from pydicom import dcmread
from pydicom.uid import generate_uid
from pynetdicom.presentation import build_context

from emulator.errors import CannotHere
from emulator.places import DIMSE_PORT
from emulator.topology.resolved import Cohort, Pacs, Site
from emulator.worlds import World
from nodes import cohorts, pacs
from nodes.cohorts.entries import damage
from nodes.endpoints import Endpoint
from nodes.errors import Busy
from nodes.pacs.dimse import VERIFICATION, association
from testbed.inspection import AsSeenAt

pytestmark = pytest.mark.integration

SEED = 7
FILES = 34 + 34  # of a study: an MRI and a PET of the scanner 1.5T
HABITS: dict[str, dict[str, Any]] = {
    "plain": {},
    "strict": {"dimse": {"aet": "STRICT", "check_called": True, "check_calling": True, "pdu_bytes": 8192}},
    "single": {"dimse": {"associations": 1}},
    "getting": {"retrieve": ["c-get"]},
    "moving": {"retrieve": ["c-move"]},
    "forgetful": {"dimse": {"knows_worker": False}},
}
FLAVOURS = ("dcmqrscp", "pynetdicom-qrscp", "tiny-pacs", "dcmjs-dimse")
CAN_NOT = {"tiny-pacs": {"check_calling", "associations", "refuse c-get"}}
"""What a flavour's server does not offer; its profile is refused, or (C-GET) kept from the worker only."""


@dataclass(frozen=True)
class Hospital:
    """The sites of one flavour, one for each habit, all over one baked storage of two studies."""

    flavour: str
    world: World
    storage: Path

    def site(self, habit: str) -> Site:
        return next(site for site in self.world.topology.sites if site.name == f"{self.flavour}-{habit}")

    def worker(self, habit: str) -> str:
        return f"{self.site(habit).name}/worker"

    def judge(self, habit: str, tool: str, *options: str, called: str = "", calling: str = "WORKER") -> tuple[int, str]:
        """Run one of DCMTK's tools where the habit's worker is: its exit code, and all that it said.

        It tries again where the PACS has no association left: some notice the end of the last one a second later.
        """
        endpoint = pacs.get(self.flavour).endpoint(self.site(habit))
        titles = ["-aet", calling, "-aec", called or endpoint.aet]
        argv = ["env", "TCP_NODELAY=1", tool, "-v", "-to", "60", *titles, endpoint.host, str(DIMSE_PORT), *options]
        for _ in range(50):
            code, said = self.world.output(self.worker(habit), argv)
            if "Rejected Transient" not in said:
                break
            time.sleep(0.2)
        return code, said

    def studies(self, habit: str = "plain") -> set[str]:
        code, said = self.judge(habit, "findscu", "-S", *keys("STUDY", "StudyInstanceUID"))
        assert code == 0, said
        return set(re.findall(r"\(0020,000d\) UI \[([0-9.]+)", said))

    def retrieve(self, habit: str, tool: str, into: Path, *options: str) -> tuple[int, str]:
        into.mkdir()
        one = min(self.studies(habit))
        return self.judge(habit, tool, "-S", "-od", str(into), *options, *keys("STUDY", f"StudyInstanceUID={one}"))


def keys(level: str, *found: str) -> list[str]:
    return [part for key in (f"QueryRetrieveLevel={level}", *found) for part in ("-k", key)]


def habits(name: str, flavour: str) -> dict[str, Any]:
    told = {key: dict(value) if isinstance(value, dict) else value for key, value in HABITS[name].items()}
    for option in CAN_NOT.get(flavour, set()):
        told.get("dimse", {}).pop(option, None)
    return told


def make(index: int, flavour: str, habit: str) -> Site:
    cohort = Cohort("phantom", 2, {"control": 1, "ad": 1}, "1.5T", ("mr", "pet"), "single-frame")
    profile = Pacs(habit, flavour, habits(habit, flavour))
    return replace(make_site(index, "regional", f"{flavour}-{habit}"), pacs=profile, cohort=cohort)


def missing(flavour: str) -> str | None:
    """Why this machine has no such server, if it has none."""
    try:
        pacs.get(flavour).services(make(1, flavour, "plain"), None)
    except CannotHere as error:
        return str(error)
    return None


@dataclass(frozen=True)
class Town:
    """A world with a site for each habit of each flavour, and the baked storage of each flavour's plain site."""

    world: World
    storages: dict[str, Path]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    here = [flavour for flavour in FLAVOURS if missing(flavour) is None]
    pairs = [(flavour, habit) for flavour in here for habit in HABITS]
    sites = [make(index, *pair) for index, pair in enumerate(pairs, 1)]
    before = os.environ.get("TESTBED_HOME")
    os.environ["TESTBED_HOME"] = str(tmp_path_factory.mktemp("home") / "100%s")  # which configparser would fill in
    try:
        filled = [site for site in sites if site.pacs.profile == "plain"]
        baked = cohorts.bake(filled, SEED, tmp_path_factory.mktemp("cache") / "100%s", quiet)
        storages = {site.pacs.flavour: baked[site.name] for site in filled}
        services = [
            service
            for site in sites
            for service in pacs.get(site.pacs.flavour).services(site, storages[site.pacs.flavour])
        ]
        yield Town(World.up(make_topology("dimse", sites), "dimse", services, None, quiet), storages)
    finally:
        World.down("dimse")
        if before is None:
            del os.environ["TESTBED_HOME"]
        else:
            os.environ["TESTBED_HOME"] = before


@pytest.fixture(params=FLAVOURS)
def hospital(request: pytest.FixtureRequest, town: Town) -> Hospital:
    flavour = str(request.param)
    why = missing(flavour)
    if why is not None:
        pytest.skip(why)
    return Hospital(flavour, town.world, town.storages[flavour])


def probed(hospital: Hospital, habit: str) -> pacs.PacsAnswer:
    return pacs.get(hospital.flavour).probe(hospital.site(habit), AsSeenAt(hospital.world, hospital.worker(habit)))


@pytest.mark.parametrize("habit", HABITS)
def test_it_answers_what_it_was_filled_with_whatever_its_habits(hospital: Hospital, habit: str) -> None:
    code, said = hospital.judge(habit, "echoscu")
    assert code == 0, said
    answer = probed(hospital, habit)
    assert (answer.studies, answer.instances) == (2, 2 * FILES)
    assert len(answer.version) > 3


def pulled(folder: Path) -> dict[str, Any]:
    return {read.SOPInstanceUID: read for read in map(dcmread, folder.iterdir())}


@pytest.mark.parametrize(("tool", "receiving"), [("getscu", ()), ("movescu", ("-aem", "WORKER", "+P", "11112"))])
def test_dcmtk_gets_every_instance_of_a_study_by_c_get_and_by_c_move(
    hospital: Hospital, tmp_path: Path, tool: str, receiving: tuple[str, ...]
) -> None:
    code, said = hospital.retrieve("plain", tool, tmp_path / "got", *receiving)
    assert code == 0, said
    got = pulled(tmp_path / "got")
    assert len(got) == FILES
    stored = {read.SOPInstanceUID: read for read in stored_files(hospital.storage)}
    assert len(stored) == 2 * FILES
    for uid, read in got.items():
        assert read.PixelData == stored[uid].PixelData
        assert read.ImagePositionPatient == stored[uid].ImagePositionPatient


def stored_files(storage: Path) -> Iterator[Any]:
    for path in storage.rglob("*"):
        if path.is_file() and path.open("rb").read(132)[128:] == b"DICM":
            yield dcmread(path)


def test_a_caller_that_it_does_not_know_is_refused_and_so_is_a_wrong_name_for_it(hospital: Hospital) -> None:
    assert hospital.judge("strict", "echoscu")[0] == 0
    stranger = {"calling": "NOBODY"} if "check_calling" not in CAN_NOT.get(hospital.flavour, ()) else {"called": "X"}
    for wrong in (stranger, {"called": "ANOTHER"}):
        code, said = hospital.judge("strict", "echoscu", **wrong)
        assert code != 0
        assert "Association Rejected" in said or "not recognized" in said.lower(), said


def test_its_largest_pdu_is_what_the_profile_says(hospital: Hospital) -> None:
    _, said = hospital.judge("strict", "echoscu", "-d")
    theirs = re.findall(r"Their Max PDU Receive Size:\s+(\d+)", said)
    assert theirs[-1] == "8192", said


LIMITED = [flavour for flavour in FLAVOURS if "associations" not in CAN_NOT.get(flavour, ())]


@contextmanager
def the_only_one(hospital: Hospital, endpoint: Endpoint) -> Iterator[None]:
    """An association, as soon as the PACS is not busy any more with who was there before."""
    with ExitStack() as ours:
        for _ in range(100):
            connection = hospital.world.connect(hospital.worker("single"), endpoint.host, DIMSE_PORT)
            try:
                ours.enter_context(association(connection, endpoint, [build_context(VERIFICATION)]))
                break
            except Busy:
                time.sleep(0.2)
        else:
            raise AssertionError("it stays busy")
        yield


@pytest.mark.parametrize("hospital", LIMITED, indirect=True)
def test_one_association_at_a_time_leaves_a_second_caller_outside(hospital: Hospital) -> None:
    endpoint = pacs.get(hospital.flavour).endpoint(hospital.site("single"))
    with the_only_one(hospital, endpoint):
        argv = ["echoscu", "-v", "-ta", "2", "-aec", endpoint.aet, endpoint.host, str(DIMSE_PORT)]
        code, said = hospital.world.output(hospital.worker("single"), argv)
        assert code != 0, said
    assert hospital.judge("single", "echoscu")[0] == 0


def test_a_way_that_the_profile_does_not_allow_gives_nothing(hospital: Hospital, tmp_path: Path) -> None:
    refusing = {"getting": ("movescu", ("-aem", "WORKER", "+P", "11112")), "moving": ("getscu", ())}
    if "refuse c-get" in CAN_NOT.get(hospital.flavour, ()):
        del refusing["moving"]
    for habit, (tool, receiving) in refusing.items():
        code, said = hospital.retrieve(habit, tool, tmp_path / habit, *receiving)
        assert not list((tmp_path / habit).iterdir())
        assert refused(code, said), said


def refused(code: int, said: str) -> bool:
    """Whether a tool was given no, in whatever way; movescu's exit code says nothing of an association aborted."""
    return code != 0 or "Peer Aborted" in said or "Failed" in said


def test_a_c_move_to_a_worker_that_it_does_not_know_gives_nothing(hospital: Hospital, tmp_path: Path) -> None:
    code, said = hospital.retrieve("forgetful", "movescu", tmp_path / "got", "-aem", "WORKER", "+P", "11112")
    assert not list((tmp_path / "got").iterdir())
    assert refused(code, said), said


def test_what_the_worker_stores_is_found_after_it(hospital: Hospital, tmp_path: Path) -> None:
    """The layer over the baked storage takes writes; the baked one stays as it was."""
    before = sorted(path.name for path in hospital.storage.rglob("*"))
    instances = probed(hospital, "plain").instances
    new = next(stored_files(hospital.storage))
    new.SOPInstanceUID = new.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    new.save_as(tmp_path / "new.dcm")
    code, said = hospital.judge("plain", "storescu", str(tmp_path / "new.dcm"))
    assert code == 0, said
    assert probed(hospital, "plain").instances == instances + 1
    assert sorted(path.name for path in hospital.storage.rglob("*")) == before


def test_a_baked_storage_whose_index_was_changed_is_seen_at_the_quick_look(hospital: Hospital, tmp_path: Path) -> None:
    entry = Path(shutil.copytree(hospital.storage.parent, tmp_path / "entry"))
    assert damage(entry) is None
    index = max((path for path in (entry / "storage").iterdir() if path.is_file()), key=is_index)
    index.write_bytes(bytes([index.read_bytes()[0] ^ 1]) + index.read_bytes()[1:])
    assert damage(entry) == "its index has been changed"


def is_index(path: Path) -> bool:
    return path.name == "index.dat" or path.suffix in (".sqlite", ".jsonl")
