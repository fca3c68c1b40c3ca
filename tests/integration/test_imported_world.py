"""Imported studies in a world, shared out with the labels of a table; and a warehouse that sites are filled from."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from door import Door

from emulator.places import DICOMWEB_PORT, HUB_ADDRESS, pacs_address
from emulator.worlds import World
from testbed.filling import fill_world

pytestmark = pytest.mark.integration

TOPOLOGY = """
name: real
seed: 3
sites:
  - {name: near, link: research-network, cohort: {from: bids, studies: 3, classes: {ad: 0.67, control: 0.33}}}
  - {name: far, link: vdsl, cohort: {from: bids}}
  - {group: late, count: 2, link: vdsl, cohort: {from: warehouse, studies: 4, storage: multi-frame}}
warehouse: {pacs: orthanc}
training: {task: dementia, algorithm: fedavg, rounds: 1, test_fraction: 0.34}
"""
PATIENTS = {f"sub-{number:02d}": "AD" if number % 2 else "CN" for number in range(1, 9)}


def _dataset(folder: Path) -> Path:
    """Eight patients with a T1 of 20³ voxels each, and their diagnoses."""
    affine = np.diag([-9.0, 9.0, 9.0, 1.0])
    affine[:3, 3] = 90, -120, -70
    for number, patient in enumerate(PATIENTS):
        values = np.random.default_rng(number).integers(0, 900, (20, 20, 20)).astype(np.int16)
        path = folder / patient / "anat" / f"{patient}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        image = nibabel.Nifti1Image(values, affine)
        image.set_sform(affine, 1)
        nibabel.save(image, path)
    rows = "".join(f"{patient}\t{diagnosis}\n" for patient, diagnosis in PATIENTS.items())
    (folder / "participants.tsv").write_text("participant_id\tdiagnosis\n" + rows)
    return folder


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A home with the cohort `bids`, in which the world `real` is up."""
    if shutil.which("Orthanc") is None and not Path("/usr/sbin/Orthanc").exists():
        pytest.skip("Orthanc is not installed")
    folder = tmp_path_factory.mktemp("cli")
    (folder / "real.yaml").write_text(TOPOLOGY)
    closed = Door(folder / "home", folder / "real.yaml")
    closed("import", str(_dataset(folder / "ds")), "--out", "bids")
    try:
        closed("up", str(closed.topology))
        yield closed
    finally:
        closed("down", "--all")


_PULL = """
import json, sys, tempfile
from pathlib import Path
from nodes.endpoints import Endpoint
from nodes.pull import Client, Store
host, root = sys.argv[1:]
with tempfile.TemporaryDirectory() as kept, Client(Endpoint("x", host, root, None), Store(Path(kept))) as pacs:
    print(json.dumps([(s.patient_id, s.label) for s in (pacs.study(uid)[0] for uid in pacs.studies())]))
"""


def _labels(door: Door, site: str, index: int) -> dict[str, str]:
    """What a site's worker gets when it pulls all studies: patients and their labels."""
    host = pacs_address(index)
    root = f"http://{host}:{DICOMWEB_PORT}/dicom-web/"
    ended = door("exec", "real", f"{site}/worker", "--", sys.executable, "-c", _PULL, host, root)
    return dict(json.loads(ended.stdout))


def test_every_patient_is_at_one_site_with_the_diagnosis_of_the_table(door: Door) -> None:
    near, far, *_ = json.loads(door("status", "--json").stdout)["sites"]
    assert [(site["pacs"]["studies"], site["pacs"]["instances"]) for site in (near, far)] == [(3, 60), (5, 100)]
    at_near, at_far = _labels(door, "near", 1), _labels(door, "far", 2)
    assert sorted(at_near.values()) == ["ad", "ad", "control"]
    assert {**at_near, **at_far} == {patient: {"AD": "ad", "CN": "control"}[dx] for patient, dx in PATIENTS.items()}
    assert len(at_near) + len(at_far) == len(PATIENTS)


def _held(door: Door) -> list[int]:
    late = json.loads(door("status", "--json").stdout)["sites"][2:]
    assert all(site["pacs"]["answers"] for site in late)
    return [site["pacs"]["studies"] for site in late]


def _fetch(door: Door, site: str, code: int) -> str:
    line = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).status)"
    warehouse = f"http://{HUB_ADDRESS}:{DICOMWEB_PORT}/dicom-web/studies"
    return door("exec", "real", f"{site}/worker", "--", sys.executable, "-c", line, warehouse, code=code).stdout


def test_only_sites_that_are_filled_from_the_warehouse_reach_it(door: Door) -> None:
    assert _fetch(door, "late-01", 0).strip() == "200"
    _fetch(door, "near", 1)


class Cut(Exception):  # noqa: N818 - what happens to it
    """The end of a filling in its midst."""


def _cut_at_two(_what: str, done: int, _of: int) -> None:
    if done >= 2:
        raise Cut


def test_sites_are_filled_across_the_wan_and_a_filling_that_was_cut_goes_on(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _held(door) == [0, 0]
    monkeypatch.setenv("TESTBED_HOME", str(door.home))
    with pytest.raises(Cut):
        fill_world(World.open("real"), _cut_at_two)
    found = json.loads(door("fill", "--json").stdout)["sites"]
    assert [(site["site"], site["there"] + site["brought"], site["why"]) for site in found] == [
        ("late-01", 4, ""),
        ("late-02", 4, ""),
    ]
    assert sum(site["there"] for site in found) >= 1
    assert _held(door) == [4, 4]
    again = json.loads(door("fill", "--json").stdout)["sites"]
    assert [(site["there"], site["brought"], site["bytes"]) for site in again] == [(4, 0, 0), (4, 0, 0)]
    assert sorted(_labels(door, "late-01", 3).values()) == ["ad", "control", "control", "mci"]


def test_up_says_what_waits_in_the_warehouse_and_changes_nothing(door: Door) -> None:
    assert "2 sites to be filled from the warehouse by: testbed fill real" in door("up", str(door.topology)).stderr
    assert "nothing to do" in door("up", str(door.topology), "--plan").stdout


def test_a_world_of_imported_and_filled_studies_trains(door: Door) -> None:
    run = json.loads(door("train", "real", "--json").stdout)
    assert run["state"] == "done"
    assert run["rounds"][0]["participants"] == ["far", "late-01", "late-02", "near"]
