"""`testbed deidentify` as it is typed."""

import json
from pathlib import Path

import pydicom
import pytest

from nodes.dicom import labels
from testbed.cli import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Three images of one patient, with a label, and something that is none."""
    folder = tmp_path / "studies"
    folder.mkdir()
    for number in (1, 2, 3):
        made = pydicom.Dataset()
        made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66", f"1.2.3.{number}"
        made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.3.9"
        made.PatientID, made.PatientName, made.StudyDate = "ID-4711", "ROE^JANE", f"2020010{number}"
        made.PatientTelephoneNumbers = "+44 20 7946 0958"
        labels.write(made, "mci")
        made.file_meta = pydicom.dataset.FileMetaDataset()
        made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        made.save_as(folder / str(number), enforce_file_format=True)
    (folder / "readme").write_text("Jane Roe's")
    return folder


def test_files_are_written_without_whom_they_are_of_and_told_in_one_document(
    home: Path, studies: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert run(["deidentify", str(studies), "--out", str(tmp_path / "out"), "--dates", "shift", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["files"], told["studies"], told["known"], told["dates"]) == (3, 1, 0, "shift")
    assert told["identifying"] == {"files_before": 3, "files_after": 0}
    assert told["left_out"]["files"] == 1
    assert "readme" in Path(told["left_out"]["list"]).read_text()
    found = [pydicom.dcmread(path) for path in sorted((tmp_path / "out").rglob("*.dcm"))]
    assert {labels.read(labels.codes(one), "") for one in found} == {"mci"}
    assert len({one.PatientID for one in found}) == 1
    assert len({one.StudyDate for one in found}) == 3
    text = "".join(path.read_bytes().decode("latin-1") for path in (tmp_path / "out").rglob("*.dcm"))
    assert [word for word in ("ROE", "ID-4711", "20 7946", "20200101") if word in text] == []
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.suffix != ".dcm"]


def test_the_same_key_gives_the_same_uids_elsewhere_and_another_key_others(
    home: Path, studies: Path, tmp_path: Path
) -> None:
    def names(out: str, *more: str) -> set[str]:
        assert run(["deidentify", str(studies), "--out", str(tmp_path / out), *more]) == 0
        return {path.name for path in (tmp_path / out).rglob("*.dcm")}

    key = ("--key", str(tmp_path / "trial.key"))
    assert names("a", *key) == names("b", *key)
    assert names("a", *key).isdisjoint(names("c"))
    assert (tmp_path / "trial.key").stat().st_mode & 0o077 == 0


def test_run_again_it_says_what_it_knew(home: Path, studies: Path, tmp_path: Path, capsys: Captured) -> None:
    for _ in range(2):
        assert run(["deidentify", str(studies), "--out", str(tmp_path / "out")]) == 0
    assert "3 files known already" in capsys.readouterr().out


@pytest.mark.parametrize("out", [".", "inside"])
def test_a_folder_among_the_originals_is_refused(home: Path, studies: Path, out: str, capsys: Captured) -> None:
    assert run(["deidentify", str(studies), "--out", str(studies / out)]) == 2
    assert "lie in each other" in capsys.readouterr().err
    assert not list(studies.rglob("*.dcm"))


def test_a_key_that_can_be_guessed_and_nothing_to_do_are_wrong_input(
    home: Path, studies: Path, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "short").write_text("guess")
    argv = ["deidentify", str(studies), "--out", str(tmp_path / "out")]
    assert run([*argv, "--key", str(tmp_path / "short")]) == 2
    assert "can be guessed" in capsys.readouterr().err
    for path in studies.glob("[123]"):
        path.unlink()
    assert run(argv) == 2
    assert "nothing in it can be de-identified" in capsys.readouterr().err


def test_a_key_in_what_is_given_away_is_refused(
    home: Path, studies: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run(["deidentify", str(studies), "--out", str(out), "--key", str(out / "sub" / "trial.key")]) == 2
    assert "--key: " in (said := capsys.readouterr().err)
    assert "given away" in said
    assert not out.exists()
    monkeypatch.setenv("TESTBED_HOME", str(out))
    assert run(["deidentify", str(studies), "--out", str(out)]) == 2
    assert "this home's key" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.key"))


def test_a_key_that_cannot_be_made_is_told_as_the_key_that_was_named(
    home: Path, studies: Path, tmp_path: Path, capsys: Captured
) -> None:
    key = tmp_path / "nowhere" / "trial.key"
    assert run(["deidentify", str(studies), "--out", str(tmp_path / "out"), "--key", str(key)]) == 2
    said = capsys.readouterr().err
    assert f"--key: '{key}' can be neither read nor made (No such file or directory)" in said
    assert "TESTBED_HOME" not in said


def test_where_this_run_could_write_nothing_earlier_files_are_no_success(
    home: Path, studies: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert run(["deidentify", str(studies), *out]) == 0
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "readme").write_text("no image")
    assert run(["deidentify", str(tmp_path / "more"), *out]) == 2
    assert "nothing in it can be de-identified" in capsys.readouterr().err
