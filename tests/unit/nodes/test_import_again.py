"""What `import` promises where something has changed: a source, a table, the cohort's own files, or whose is whose."""

import errno
import gzip
import hashlib
import io
import os
import struct
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pydicom
import pytest
from import_data import dicom, imported, nifti, pictures, reasons

from nodes.errors import CannotHere
from nodes.imports import idx
from nodes.imports.findings import Source
from nodes.imports.store import Store


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    return tmp_path / "cohorts" / "trial"


def _brain(path: Path, value: int) -> Path:
    return nifti(path, np.full((2, 3, 4), value, np.int16))


def test_two_datasets_of_one_base_name_do_not_merge(tmp_path: Path, cohort: Path) -> None:
    for number, hospital in enumerate(("lyon", "nice")):
        _brain(tmp_path / hospital / "data" / "sub-01_T1w.nii", number)
        found = imported(tmp_path / hospital / "data", cohort).cohort
    assert (found.studies, found.instances) == (2, 8)
    issuers = {str(pydicom.dcmread(path).IssuerOfPatientID) for path in cohort.rglob("*.dcm")}
    assert issuers == {"data", "data 2"}


@pytest.mark.parametrize("folders", [("patient0", "patient1"), ("a/raw", "b/raw"), (".", "deep"), ("x y", "x_y")])
def test_files_of_one_name_in_two_folders_are_two_patients_and_two_studies(
    tmp_path: Path, cohort: Path, folders: tuple[str, str]
) -> None:
    for number, folder in enumerate(folders):
        _brain(tmp_path / "data" / folder / "T1.nii.gz", number)
    found = imported(tmp_path / "data", cohort).cohort
    assert (found.studies, found.instances) == (2, 8)
    assert len({str(pydicom.dcmread(path).PatientID) for path in cohort.rglob("*.dcm")}) == 2


def test_folders_so_long_that_their_names_are_cut_stay_apart(tmp_path: Path, cohort: Path) -> None:
    for number in (0, 1):
        _brain(tmp_path / "data" / ("f" * 80) / str(number) / "T1.nii.gz", number)
    assert imported(tmp_path / "data", cohort).cohort.studies == 2
    ids = {str(pydicom.dcmread(path).PatientID) for path in cohort.rglob("*.dcm")}
    assert len(ids) == 2
    assert max(map(len, ids)) <= 64


def test_sets_of_pictures_of_one_name_in_two_folders_are_apart(tmp_path: Path, cohort: Path) -> None:
    for number, name in enumerate(("mnist", "fashion")):
        pictures(tmp_path / "data" / name, bytes([0, 1] * (number + 1)))
    found = imported(tmp_path / "data", cohort).cohort
    assert found.studies == 4
    shown: dict[str, set[str]] = {}
    for path in cohort.rglob("*.dcm"):
        made = pydicom.dcmread(path)
        shown.setdefault(str(made.PatientID), set()).add(made.AdmittingDiagnosesCodeSequence[0].CodeMeaning)
    assert len(shown) == 4
    assert {len(meanings) for meanings in shown.values()} == {1}


def test_patients_are_called_the_same_wherever_their_dataset_lies(tmp_path: Path) -> None:
    called = []
    for home in ("one", "two"):
        _brain(tmp_path / home / "data" / "patient0" / "T1.nii.gz", 0)
        imported(tmp_path / home / "data", tmp_path / "cohorts" / home)
        called.append({path.name for path in (tmp_path / "cohorts" / home).rglob("*.dcm")})
    assert called[0] == called[1] != set()


def test_bids_datasets_below_one_folder_do_not_merge(tmp_path: Path, cohort: Path) -> None:
    for number, name in enumerate(("one", "two")):
        _brain(tmp_path / "all" / name / "sub-01_T1w.nii", number)
        (tmp_path / "all" / name / "dataset_description.json").write_text("{}")
        (tmp_path / "all" / name / "participants.tsv").write_text(
            f"participant_id\tdx\nsub-01\t{('AD', 'CN')[number]}\n"
        )
    found = imported(tmp_path / "all", cohort).cohort
    assert (found.studies, found.labels) == (2, {"ad": 1, "control": 1})


def test_bids_datasets_in_zips_do_not_merge(tmp_path: Path, cohort: Path) -> None:
    for number, name in enumerate(("one", "two")):
        brain = _brain(tmp_path / "sub-01_T1w.nii", number)
        (tmp_path / "zips").mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / "zips" / f"{name}.zip", "w") as archive:
            archive.write(brain, "sub-01/sub-01_T1w.nii")
            archive.writestr("dataset_description.json", "{}")
    assert imported(tmp_path / "zips", cohort).cohort.studies == 2


def test_a_copy_of_a_dataset_elsewhere_is_left_out_as_a_double(tmp_path: Path, cohort: Path) -> None:
    for where in ("here", "there"):
        _brain(tmp_path / where / "data" / "sub-01_T1w.nii", 1)
        found = imported(tmp_path / where / "data", cohort)
    assert found.cohort.studies == 1
    assert "byte for byte the same as" in reasons(cohort)["sub-01_T1w.nii"]


def test_nobody_gets_the_diagnosis_of_a_namesake_in_another_dataset(tmp_path: Path, cohort: Path) -> None:
    for number, (hospital, said) in enumerate((("lyon", "AD"), ("nice", "SMC"))):
        _brain(tmp_path / hospital / "sub-01_T1w.nii", number)
        (tmp_path / hospital / "table.csv").write_text(f"subject,dx,visit\nsub-01,{said},1\n")
        imported(tmp_path / hospital, cohort)
    with Store(cohort) as store:
        (study,) = store.studies("ad")
        assert len(store.studies("")) == 1
        assert pydicom.dcmread(next(store.files(study))[0]).IssuerOfPatientID == "lyon"


def test_a_table_imported_by_itself_counts_for_whoever_has_no_namesake(tmp_path: Path, cohort: Path) -> None:
    for number, hospital in enumerate(("lyon", "nice")):
        _brain(tmp_path / hospital / "sub-01_T1w.nii", number)
        _brain(tmp_path / hospital / f"sub-{hospital}_T1w.nii", number + 2)
        imported(tmp_path / hospital, cohort)
    table = tmp_path / "alone" / "table.csv"
    table.parent.mkdir()
    table.write_text("subject,dx,visit\nsub-01,AD,1\nsub-lyon,AD,1\nsub-nice,CN,1\n")
    assert imported(table, cohort).cohort.labels == {"": 2, "ad": 1, "control": 1}


def test_subjects_of_adni_are_the_same_wherever_their_files_and_tables_lie(tmp_path: Path, cohort: Path) -> None:
    name = "ADNI_002_S_0295_MR_Br_20070801_S13408_I{}.nii"
    for number, folder in enumerate(("first", "second")):
        _brain(tmp_path / folder / "002_S_0295" / "2006-04-18_08_20_30.0" / name.format(45108 + number), number)
        imported(tmp_path / folder, cohort)
    table = tmp_path / "visits" / "DX.csv"
    table.parent.mkdir()
    table.write_text("PTID,DX,visit\n002_S_0295,MCI,bl\n")
    found = imported(table, cohort).cohort
    assert (found.studies, found.labels) == (1, {"mci": 1})


def test_a_corrected_file_leaves_nothing_of_its_old_self(tmp_path: Path, cohort: Path) -> None:
    data = tmp_path / "data"
    _brain(data / "sub-01_T1w.nii", 1)
    dicom(data / "one.dcm", 1, "1.5", "ad")
    before = {path.name for path in cohort.rglob("*.dcm")}
    imported(data, cohort)
    _brain(data / "sub-01_T1w.nii", 2)
    (data / "one.dcm").unlink()
    dicom(data / "one.dcm", 2, "1.6")
    found = imported(data, cohort).cohort
    assert (found.studies, found.instances, found.labels) == (2, 5, {"": 2})
    assert reasons(cohort) == {}
    assert len(list(cohort.rglob("*.dcm"))) == 5
    assert not before & {path.name for path in cohort.rglob("*.dcm")}
    assert not (cohort / "studies" / "1.5").exists()


def test_a_series_whose_patient_was_corrected_replaces_itself_in_one_import(tmp_path: Path, cohort: Path) -> None:
    for patient in ("WRONG", "RIGHT"):
        for number in (1, 2, 3):
            path = tmp_path / "data" / f"{number}.dcm"
            path.unlink(missing_ok=True)
            dicom(path, number, PatientID=patient)
        found = imported(tmp_path / "data", cohort).cohort
    assert found.instances == 3
    assert reasons(cohort) == {}
    assert {str(pydicom.dcmread(path).PatientID) for path in cohort.rglob("*.dcm")} == {"RIGHT"}


def test_an_archive_that_was_made_again_leaves_nothing_of_the_members_it_had(tmp_path: Path, cohort: Path) -> None:
    for number in (1, 2):
        with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
            archive.write(dicom(tmp_path / "file", number, f"1.{number}"), f"member-{number}")
        found = imported(tmp_path / "data.zip", cohort).cohort
    assert (found.studies, [path.parent.name for path in cohort.rglob("*.dcm")]) == (1, ["1.2"])


def test_labels_of_pictures_that_were_corrected_replace_the_old_ones(tmp_path: Path, cohort: Path) -> None:
    imported(pictures(tmp_path / "sets", bytes([0, 1])), cohort)
    whole = gzip.compress(struct.pack(">II", 0x801, 2) + bytes([5, 6]))
    (tmp_path / "sets" / "train-labels-idx1-ubyte.gz").write_bytes(whole)
    assert imported(tmp_path / "sets", cohort).cohort.labels == {"class-5": 1, "class-6": 1}


@pytest.mark.parametrize(
    "text",
    [
        "subject,dx,visit\nP1.1,AD,1\nP1.2,CN",
        "subject,visit,dx\nP1.1,1,AD\nP1.2,1,MCI",  # of "MCI to Dementia", or not
        'subject,dx,remark\nP1.1,AD,1\nP1.2,CN,"half a rem',
    ],
)
def test_of_a_table_that_was_cut_nothing_counts(tmp_path: Path, cohort: Path, text: str) -> None:
    for study in ("1.1", "1.2"):
        dicom(tmp_path / "data" / study, 1, study)
    (tmp_path / "data" / "table.csv").write_text(text)
    assert imported(tmp_path / "data", cohort).cohort.labels == {"": 2}
    assert "table.csv" in reasons(cohort)


def test_a_table_whose_last_line_lacks_nothing_that_is_read_counts_without_a_line_end(
    tmp_path: Path, cohort: Path
) -> None:
    dicom(tmp_path / "data" / "1", 1, "1.1")
    (tmp_path / "data" / "table.csv").write_text("subject,dx,remark\nP1.1,AD,well")
    assert imported(tmp_path / "data", cohort).cohort.labels == {"ad": 1}


def _cut(path: Path, count: int) -> None:
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:-count]))


def _lengthened(path: Path, _: int) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(24)))


def _torn(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


@pytest.mark.parametrize("damage", [_cut, _torn, _lengthened])
@pytest.mark.parametrize("kind", ["images-idx3", "labels-idx1"])
def test_of_a_set_of_pictures_that_was_cut_nothing_counts(
    tmp_path: Path, cohort: Path, damage: object, kind: str
) -> None:
    pictures(tmp_path / "sets", bytes(450))  # four studies and a half: the damage shows when these are there
    damage(tmp_path / "sets" / f"train-{kind}-ubyte.gz", 5)  # type: ignore[operator]  # the parameters above
    dicom(tmp_path / "sets" / "other.dcm", 1)
    found = imported(tmp_path / "sets", cohort).cohort
    assert (found.instances, found.labels) == (1, {"": 1})
    assert "train-images-idx3-ubyte.gz" in reasons(cohort)
    assert len(list(cohort.rglob("*.dcm"))) == 1


def test_a_file_that_says_it_is_huge_is_refused_before_it_is_read(tmp_path: Path, cohort: Path) -> None:
    folder = pictures(tmp_path / "sets", bytes(2))
    labels, images = (folder / f"train-{kind}-ubyte.gz" for kind in ("labels-idx1", "images-idx3"))
    labels.write_bytes(gzip.compress(struct.pack(">II", 0x801, 2**32 - 1)))
    imported(folder, cohort)
    assert "4,294,967,295 labels" in reasons(cohort)[images.name]


def test_pictures_that_are_gathered_stay_within_bounds_however_large_they_are(tmp_path: Path) -> None:
    side, classes = 1024, 40
    labels = bytes(range(classes)) * 3
    folder = tmp_path / "sets"
    folder.mkdir()
    images = folder / "big-images-idx3-ubyte"
    with images.open("wb") as file:
        file.write(struct.pack(">IIII", 0x803, len(labels), side, side))
        file.truncate(16 + len(labels) * side * side)  # holes: 120 MiB that no disk has to hold
    (folder / "big-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(labels)) + labels)
    source = Source("big", PurePosixPath(images.name), "", images, "")
    studies = [pydicom.dcmread(io.BytesIO(made)) for _, made in idx.convert(source, "sets", "")]
    assert sum(int(study.NumberOfFrames) for study in studies) == len(labels)
    assert max(int(study.NumberOfFrames) for study in studies) * side * side * classes <= 64 * 2**20


@pytest.mark.parametrize("packed", [False, True])
def test_a_cohort_that_lost_files_is_mended_by_importing_again(tmp_path: Path, cohort: Path, packed: bool) -> None:
    data = tmp_path / "data"
    _brain(data / "sub-01_T1w.nii", 1)
    dicom(data / "one.dcm", 1, "1.5")
    if packed:
        with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
            for path in data.iterdir():
                archive.write(path, path.name)
        data = tmp_path / "data.zip"
    whole = imported(data, cohort).cohort
    victims = [next((cohort / "studies" / "1.5").iterdir()), next(cohort.rglob("2.25.*.dcm"))]
    victims[0].unlink()
    victims[1].unlink()
    victims[1].write_bytes(b"half of it")
    assert imported(data, cohort).cohort == whole
    assert reasons(cohort) == {}
    with Store(cohort) as store:
        kept = [file for study in store.studies("") for file in store.files(study)]
    assert len(kept) == whole.instances
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == digest for path, digest in kept)


def test_what_was_lost_and_can_be_had_no_more_is_listed_and_the_rest_is_whole(tmp_path: Path, cohort: Path) -> None:
    data = tmp_path / "data"
    for study in ("1.5", "1.6"):
        dicom(data / study, 1, study)
    imported(data, cohort)
    (cohort / "studies" / "1.5" / "1.5.1.dcm").unlink()
    (data / "1.5").unlink()
    found = imported(data, cohort).cohort
    assert (found.studies, found.instances) == (1, 1)
    assert "lost from the cohort" in reasons(cohort)["1.5"]


def test_trouble_with_the_cohorts_own_disk_is_told_as_such_and_no_source_is_blamed(
    tmp_path: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _brain(tmp_path / "data" / "sub-01_T1w.nii", 1)
    (cohort / "studies").mkdir(parents=True)

    def failing(path: Path, _: bytes) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "write_bytes", failing)  # no disk here can be made to fail so
    with pytest.raises(CannotHere, match="cannot be written"):
        imported(tmp_path / "data", cohort)
