"""Images that are no DICOM yet: where their voxels lie, what they are worth, whose they are."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_data import dicom, imported, nifti, pictures, reasons

from nodes.imports import tables
from nodes.imports.store import Store
from nodes.pull.frames import frames
from nodes.pull.studies import Volume, volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ANGLES = st.floats(-3.1, 3.1)
STEPS = st.floats(0.3, 9)
SHIFTS = st.floats(-300, 300)
KINDS = st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    return tmp_path / "cohorts" / "trial"


def _volume(cohort: Path) -> Volume:
    return volume([frame for path in sorted(cohort.rglob("*.dcm")) for frame in frames(path.read_bytes())])


def _turned(angles: tuple[float, float, float]) -> Any:
    turned = np.eye(3)
    for axis, angle in enumerate(angles):
        about = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        about[i, i] = about[j, j] = np.cos(angle)
        about[i, j], about[j, i] = -np.sin(angle), np.sin(angle)
        turned = turned @ about
    return turned


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(ANGLES, ANGLES, ANGLES),
    steps=st.tuples(STEPS, STEPS, STEPS),
    flip=st.sampled_from([-1.0, 1.0]),
    shift=st.tuples(SHIFTS, SHIFTS, SHIFTS),
    kind=KINDS,
)
def test_every_voxel_of_a_nifti_stays_where_nibabel_says_that_it_is(
    tmp_path_factory: pytest.TempPathFactory, angles: Any, steps: Any, flip: float, shift: Any, kind: Any
) -> None:
    folder = tmp_path_factory.mktemp("n")
    affine = np.eye(4)
    affine[:3, :3] = _turned(angles) @ np.diag([steps[0] * flip, steps[1], steps[2]])
    affine[:3, 3] = shift
    values = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype(kind)
    path = nifti(folder / "brain.nii.gz", values, affine)
    imported(path, folder / "cohort")
    found = _volume(folder / "cohort")
    theirs = nibabel.load(path)
    in_ours = np.linalg.inv(found.affine) @ LPS @ theirs.affine
    for index in np.ndindex(*values.shape):
        x, y, z = np.rint((in_ours @ [*index, 1.0])[:3]).astype(int)
        assert found.values[z, y, x] == pytest.approx(float(theirs.dataobj[index]), abs=0.01)
        world = (found.affine @ [x, y, z, 1.0])[:3]
        assert world == pytest.approx((LPS @ theirs.affine @ [*index, 1.0])[:3], abs=1e-3)


def test_whole_numbers_with_a_scale_keep_every_bit(tmp_path: Path, cohort: Path) -> None:
    values = np.array([-32768, -1, 0, 7, 32767, 5], dtype=np.int16).reshape(3, 2, 1)
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    image.set_sform(np.eye(4), 1)
    nibabel.save(image, tmp_path / "scaled.nii")
    with (tmp_path / "scaled.nii").open("r+b") as file:  # nibabel would choose a scale of its own
        file.seek(112)
        file.write(np.array([0.5, 10], "<f4").tobytes())
        file.seek(352)
        file.write(values.tobytes(order="F"))
    imported(tmp_path / "scaled.nii", cohort)
    assert np.array_equal(np.sort(_volume(cohort).values.ravel()), np.sort(values.ravel() * 0.5 + 10))


def test_what_is_no_number_becomes_nothing(tmp_path: Path, cohort: Path) -> None:
    values = np.array([[[np.nan, 1.0], [np.inf, -2.0]]], dtype=np.float32)
    imported(nifti(tmp_path / "a.nii", values), cohort)
    assert sorted(_volume(cohort).values.ravel()) == pytest.approx([-2.0, 0.0, 0.0, 1.0], abs=1e-4)


def _unplaced(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2, 2), np.uint8), None), path)


def _sheared(path: Path) -> None:
    nifti(path, np.ones((2, 2, 2), np.uint8), np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))


def _bomb(path: Path) -> None:
    nifti(path, np.ones((2, 2, 2), np.uint8))
    with path.open("r+b") as file:
        file.seek(40)
        file.write(np.array([3, 30000, 30000, 30000, 1, 1, 1, 1], "<i2").tobytes())


def _cut(path: Path) -> None:
    nifti(path, np.ones((20, 20, 20), np.uint8))
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: nifti(path, np.ones((2, 2, 2, 9), np.int16)), "2 × 2 × 2 × 9"),
        (lambda path: nifti(path, np.ones((2, 2, 2), np.complex64)), "numbers are expected"),
        (_unplaced, "where its voxels lie"),
        (_sheared, "right angles"),
        (_bomb, "27,000,000,000,000 voxels"),
        (_cut, "no NIfTI that can be read"),
    ],
)
def test_a_nifti_that_dicom_cannot_hold_is_listed_with_why(tmp_path: Path, cohort: Path, make: Any, why: str) -> None:
    make(tmp_path / "bad.nii")
    imported(tmp_path / "bad.nii", cohort)
    assert why in reasons(cohort)["bad.nii"]


def test_a_bids_dataset_gives_patients_visits_and_diagnoses(tmp_path: Path, cohort: Path) -> None:
    brain = np.ones((2, 3, 4), np.int16)
    data = tmp_path / "ds"
    for name in (
        "sub-01/ses-a/anat/sub-01_ses-a_T1w",
        "sub-01/ses-a/pet/sub-01_ses-a_trc-FDG_pet",
        "sub-02/anat/sub-02_T1w",
    ):
        nifti(data / f"{name}.nii.gz", brain)
    nifti(data / "derivatives" / "sub-01" / "mask.nii.gz", brain)
    (data / "dataset_description.json").write_text("{}")
    (data / "participants.tsv").write_text("participant_id\tage\tdiagnosis\nsub-01\t70\tAD\nsub-02\t71\tCN\n")
    found = imported(data, cohort).cohort
    assert (found.studies, dict(found.modalities), found.labels) == (2, {"MR": 2, "PT": 1}, {"control": 1, "ad": 1})
    assert reasons(cohort).keys() == {"derivatives", "dataset_description.json"}


def test_a_download_of_adni_takes_the_diagnosis_of_each_image(tmp_path: Path, cohort: Path) -> None:
    data, subject = tmp_path / "adni", "002_S_0295"
    for day, number in (("2006-04-18_08_20_30.0", "I45108"), ("2010-05-01_09_00_00.0", "I99001")):
        folder = data / "ADNI" / subject / "MPR" / day / number
        nifti(folder / f"ADNI_{subject}_MR_MPR_Br_2007_S13_{number}.nii", np.ones((2, 2, 2), np.int16))
    dicom(data / "ADNI" / "941_S_1311" / "x.dcm", 1, "1.5", PatientID="941_S_1311")
    (data / "ADNI1_Complete.csv").write_text(
        '"Image Data ID","Subject","Group","Sex","Acq Date"\n'
        f'"I45108","{subject}","MCI","M","4/18/2006"\n"I99001","{subject}","AD","M","5/01/2010"\n'
        '"I7","941_S_1311","EMCI","F","1/01/2020"\n'
    )
    found = imported(data, cohort).cohort
    assert (found.studies, found.labels) == (3, {"ad": 1, "mci": 2})
    assert reasons(cohort) == {}


def test_a_tables_diagnosis_is_that_of_the_nearest_visit() -> None:
    visits = [("20060101", "control"), ("20100101", "mci"), ("20140101", "ad")]
    assert tables.chosen("20130901", visits) == "ad"
    assert tables.chosen("", visits) == ""  # no date, and they differ
    assert tables.chosen("", [("", "ad"), ("20100101", "ad")]) == "ad"
    assert tables.chosen("20110102", [("20110101", "mci"), ("20110103", "ad")]) == ""  # as near as each other


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("CN", "control"),
        ("NL", "control"),
        ("LMCI", "mci"),
        ("MCI to Dementia", "ad"),
        ("Alzheimer's Disease", "ad"),
        *((word, "") for word in ("SMC", "Patient", "n/a", "")),
    ],
)
def test_words_for_diagnoses_are_read_and_others_are_not_guessed(written: str, label: str) -> None:
    assert tables.label(written) == label


def test_what_a_file_says_itself_goes_before_a_table(tmp_path: Path, cohort: Path) -> None:
    dicom(tmp_path / "data" / "a", 1, "1.1", "ad")
    (tmp_path / "data" / "t.csv").write_text("subject,dx\nP1.1,CN\n")
    assert imported(tmp_path / "data", cohort).cohort.labels == {"ad": 1}


def test_idx_files_become_multi_frame_captures_of_one_class_each(tmp_path: Path, cohort: Path) -> None:
    labels = bytes(n % 3 for n in range(450))
    found = imported(pictures(tmp_path / "fashion-mnist", labels), cohort).cohort
    assert found.labels == {"class-0": 2, "class-1": 2, "class-2": 2}
    shown = {}
    for path in cohort.rglob("*.dcm"):
        made = pydicom.dcmread(path)
        assert made.SOPClassUID.name == "Multi-frame Grayscale Byte Secondary Capture Image Storage"
        item = made.AdmittingDiagnosesCodeSequence[0]
        shown.setdefault(f"{item.CodeValue} {item.CodeMeaning}", []).append(made.pixel_array)
    assert shown.keys() == {"0 T-shirt or top", "1 Trouser", "2 Pullover"}
    trousers = np.concatenate(shown["1 Trouser"])
    every = np.arange(450 * 24, dtype="<u4").astype(np.uint8).reshape(450, 4, 6)[1::3]
    assert np.array_equal(np.sort(trousers.reshape(150, -1), axis=0), np.sort(every.reshape(150, -1), axis=0))


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").exists(), reason="dataset-fashion-mnist is not installed"
)
def test_fashion_mnist_as_debian_has_it_is_imported_whole(cohort: Path) -> None:
    found = imported(Path("/usr/share/datasets/fashion-mnist"), cohort).cohort
    assert (found.studies, len(found.labels)) == (700, 10)
    with Store(cohort) as store:
        assert len(store.studies("class-9")) == 70


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_an_independent_validator_finds_no_error_in_what_is_converted(tmp_path: Path, cohort: Path) -> None:
    brain = np.random.default_rng(0).normal(size=(6, 5, 2)).astype(np.float32)
    nifti(tmp_path / "data" / "sub-1_T1w.nii", brain)
    nifti(tmp_path / "data" / "sub-1_pet.nii", brain)
    pictures(tmp_path / "data", bytes(3))
    imported(tmp_path / "data", cohort)
    kinds = set()
    for path in cohort.rglob("*.dcm"):
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False).stderr.splitlines()
        kinds |= {line for line in said if line.endswith("Image")}
        assert [line for line in said if "Error" in line] == []
    assert kinds == {"MRImage", "PETImage", "MultiframeGrayscaleByteSCImage"}
