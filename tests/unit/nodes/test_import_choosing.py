"""Which imported studies a site has: a matter of the seed, and of nobody else's."""

import io
import zipfile
from pathlib import Path

import pydicom
import pytest
from import_data import dicom, imported

from emulator.topology.resolved import Cohort
from nodes.cohorts.keys import key
from nodes.errors import WrongState
from nodes.imports.choosing import archives, chosen
from nodes.imports.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cohort of 12 studies of two files; a table says who has the disease, but one file says so itself."""
    data = tmp_path / "data"
    for study in range(12):
        for number in (1, 2):
            dicom(data / f"{study}-{number}", number, f"1.{study}", "ad" if study == 0 else None)
    rows = "".join(f"P1.{study},{'AD' if study % 2 else 'CN'}\n" for study in range(12))
    (data / "table.csv").write_text("subject,dx\n" + rows)
    imported(data, tmp_path / "cohorts" / "trial")
    return tmp_path / "cohorts" / "trial"


def _part(folder: Path, take: dict[str, int], skip: dict[str, int]) -> Cohort:
    with Store(folder, writing=True) as store:
        content = store.finish().content
    return Cohort(
        "imported", sum(take.values()), take, "", (), "single-frame", source="trial", content=content, skip=skip
    )


def test_sites_have_other_studies_and_together_all_of_them(folder: Path) -> None:
    parts = [
        _part(folder, {"ad": 3, "control": 2}, {}),
        _part(folder, {"ad": 4}, {"ad": 3}),
        _part(folder, {"control": 3}, {"control": 2}),
    ]
    with Store(folder) as store:
        found = [uid for part in parts for uid in chosen(store, part, 5)]
        assert sorted(found) == sorted(f"1.{study}" for study in range(12))
        assert chosen(store, parts[0], 5) == found[:5]
        assert set(chosen(store, parts[0], 6)) != set(found[:5])


def test_a_label_of_a_table_is_written_and_all_else_stays(folder: Path) -> None:
    before = {path.name: pydicom.dcmread(path) for path in folder.rglob("*.dcm")}
    seen = 0
    for study in archives(folder, _part(folder, {"ad": 7, "control": 5}, {}), 5):
        for archive in study:
            with zipfile.ZipFile(io.BytesIO(archive)) as opened:
                for name in opened.namelist():
                    found = pydicom.dcmread(io.BytesIO(opened.read(name)))
                    seen += 1
                    expected = (
                        "17621005" if found.StudyInstanceUID in {f"1.{n}" for n in (2, 4, 6, 8, 10)} else "26929004"
                    )
                    assert found.AdmittingDiagnosesCodeSequence[0].CodeValue == expected
                    del found.AdmittingDiagnosesCodeSequence, found.AdmittingDiagnosesDescription
                    was = before[f"{found.SOPInstanceUID}.dcm"]
                    for keyword in ("AdmittingDiagnosesCodeSequence", "AdmittingDiagnosesDescription"):
                        if keyword in was:
                            delattr(was, keyword)
                    assert found == was
    assert seen == 24


def test_another_content_or_another_part_is_another_key(folder: Path) -> None:
    part = _part(folder, {"ad": 3}, {})
    others = [_part(folder, {"ad": 3}, {"ad": 1}), Cohort(**{**vars(part), "content": "other"})]
    assert len({key(cohort, "lyon", 7, "orthanc") for cohort in (part, *others)}) == 3


def test_a_file_that_was_changed_since_its_import_is_not_used(folder: Path) -> None:
    part = _part(folder, {"ad": 7}, {})
    victim = next(folder.rglob("1.3.1.dcm"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    with pytest.raises(WrongState, match="not what was imported"):
        [list(study) for study in archives(folder, part, 5)]


def test_a_cohort_that_grew_since_the_topology_was_read_is_not_used(folder: Path) -> None:
    part = _part(folder, {"ad": 7}, {})
    dicom(folder.parent.parent / "data" / "new", 1, "1.99")
    imported(folder.parent.parent / "data", folder)
    with pytest.raises(WrongState, match="has changed"):
        next(iter(archives(folder, part, 5)))
