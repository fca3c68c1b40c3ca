import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from nodes.cohorts import scanners
from nodes.dicom import labels
from nodes.dicom.archive import Storage, study_files
from nodes.dicom.encoding import element, files
from nodes.dicom.study import NOTICE, Context
from nodes.dicom.uids import uid
from nodes.errors import Unreadable
from nodes.phantoms.studio import Pictures
from nodes.phantoms.subjects import Subject

CONTEXT = Context("lyon", 7, scanners.get("3T"))
STORAGES: tuple[Storage, ...] = ("single-frame", "multi-frame")


def datasets(patient: Subject, pictures: Pictures, storage: Storage) -> list[pydicom.FileDataset]:
    return [pydicom.dcmread(io.BytesIO(file)) for file in study_files(CONTEXT, patient, pictures, storage)]


@pytest.mark.parametrize("storage", STORAGES)
def test_every_file_says_that_it_is_a_phantom(patient: Subject, pictures: Pictures, storage: Storage) -> None:
    for dataset in datasets(patient, pictures, storage):
        assert NOTICE in dataset.StudyDescription
        assert NOTICE in dataset.SeriesDescription
        assert str(dataset.PatientName).startswith("PHANTOM^")
        assert dataset.QualityControlSubject == "YES"


@pytest.mark.parametrize("storage", STORAGES)
def test_every_file_carries_the_label_as_a_snomed_code(patient: Subject, pictures: Pictures, storage: Storage) -> None:
    for dataset in datasets(patient, pictures, storage):
        assert labels.read(labels.codes(dataset), dataset.StudyInstanceUID) == patient.label
        assert dataset.AdmittingDiagnosesCodeSequence[0].CodingSchemeDesignator == "SCT"


@pytest.mark.parametrize("storage", STORAGES)
def test_the_same_seed_gives_the_same_bytes(patient: Subject, pictures: Pictures, storage: Storage) -> None:
    first = study_files(CONTEXT, patient, pictures, storage)
    assert first == study_files(CONTEXT, patient, pictures, storage)


def test_uids_of_a_study_are_valid_and_no_two_are_the_same(patient: Subject, pictures: Pictures) -> None:
    made = datasets(patient, pictures, "single-frame")
    instances = [dataset.SOPInstanceUID for dataset in made]
    assert len(set(instances)) == len(made)
    assert len({dataset.SeriesInstanceUID for dataset in made}) == 2
    assert len({dataset.StudyInstanceUID for dataset in made}) == 1
    assert all(one.is_valid for one in instances)
    assert all(dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID for dataset in made)


@given(st.lists(st.text(max_size=8) | st.integers(), min_size=1, max_size=4))
def test_any_uid_is_valid_and_depends_on_its_parts_alone(parts: list[str | int]) -> None:
    assert pydicom.uid.UID(uid(*parts)).is_valid
    assert uid(*parts) == uid(*parts)
    assert uid(*parts) != uid(*parts, "more")


def test_slices_are_one_file_each_and_frames_share_one(patient: Subject, pictures: Pictures) -> None:
    assert pictures.mri is not None
    assert pictures.pet is not None
    slices = len(pictures.mri.stored) + len(pictures.pet.stored)
    assert len(study_files(CONTEXT, patient, pictures, "single-frame")) == slices
    multi = datasets(patient, pictures, "multi-frame")
    assert [dataset.NumberOfFrames for dataset in multi] == [len(pictures.mri.stored), len(pictures.pet.stored)]


def test_pixels_come_back_as_they_were(patient: Subject, pictures: Pictures) -> None:
    assert pictures.mri is not None
    mri = datasets(patient, pictures, "multi-frame")[0]
    np.testing.assert_array_equal(mri.pixel_array, pictures.mri.stored)


def test_pet_is_in_standardised_uptake_values(patient: Subject, pictures: Pictures) -> None:
    pet = datasets(patient, pictures, "single-frame")[-1]
    assert (pet.Units, pet.SUVType) == ("GML", "BW")
    middle = datasets(patient, pictures, "single-frame")[-20]
    brightest = float(middle.pixel_array.max() * middle.RescaleSlope)
    assert 4 < brightest < 25


def test_labels_outside_the_three_are_refused_with_what_was_found() -> None:
    dataset = Dataset()
    with pytest.raises(Unreadable, match=r"holds nothing; expected.*26929004"):
        labels.read(labels.codes(dataset), "2.25.1")
    dataset.AdmittingDiagnosesCodeSequence = [labels.code("22298006", "Myocardial infarction")]
    with pytest.raises(Unreadable, match="22298006"):
        labels.read(labels.codes(dataset), "2.25.1")


@given(
    st.dictionaries(
        st.sampled_from(["PatientName", "StudyID", "SeriesDescription", "PatientComments", "InstitutionName"]),
        st.text("abcdef ^", min_size=1, max_size=16).map(str.strip),
    ),
    st.binary(min_size=2, max_size=40),
)
def test_files_read_back_with_every_element_whatever_is_shared(shared: dict[str, str], pixels: bytes) -> None:
    dataset = Dataset()
    dataset.SOPClassUID = pydicom.uid.MRImageStorage
    for name, value in shared.items():
        setattr(dataset, name, value)
    own = [element(0x00080018, "UI", "2.25.1"), element(0x00200013, "IS", "7"), element(0x7FE00010, "OW", pixels)]
    (written,) = files(dataset, [own])
    back = pydicom.dcmread(io.BytesIO(written))
    assert all(str(back[name].value) == value for name, value in shared.items())
    assert back.InstanceNumber == 7
    assert back.PixelData[: len(pixels)] == pixels
    assert [element.tag for element in back] == sorted(element.tag for element in back)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("storage", STORAGES)
def test_an_independent_validator_finds_nothing_wrong(
    patient: Subject, pictures: Pictures, storage: Storage, tmp_path: Path
) -> None:
    made = study_files(CONTEXT, patient, pictures, storage)
    for name, content in (("mr", made[0]), ("pt", made[-1])):
        path = tmp_path / f"{name}.dcm"
        path.write_bytes(content)
        said = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
        assert [line for line in said.stderr.splitlines() if "Error" in line or "Warning" in line] == []
