"""What `import` promises of folders and zips: all that is sound is kept, all else is listed, nothing is done twice."""

import os
import signal
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from import_data import dicom, imported, nifti, pictures, reasons

from nodes.errors import WrongState
from nodes.imports import dicom as images
from nodes.imports.importing import LEFT_OUT
from nodes.imports.store import Store
from nodes.imports.store import imported as kept

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    return tmp_path / "cohorts" / "trial"


def test_dicom_files_are_kept_as_they_are_by_study(folder: Path, cohort: Path) -> None:
    files = [dicom(folder / f"{study}-{n}", n, study) for study in ("1.2", "1.3") for n in (1, 2)]
    found = imported(folder, cohort).cohort
    assert (found.studies, found.instances, dict(found.modalities)) == (2, 4, {"MR": 2})
    with Store(cohort) as store:
        for path, _ in store.files("1.3"):
            assert path.parent.name == "1.3"
            assert path.read_bytes() in [file.read_bytes() for file in files]
            assert path.stat().st_nlink == 2  # no second copy on the disk


def test_labels_are_those_of_the_files(folder: Path, cohort: Path) -> None:
    dicom(folder / "a", 1, "1.1", "ad")
    dicom(folder / "b", 1, "1.2", "control")
    dicom(folder / "c", 1, "1.3")
    assert imported(folder, cohort).cohort.labels == {"": 1, "ad": 1, "control": 1}


def test_an_import_that_is_run_again_imports_nothing_twice(folder: Path, cohort: Path) -> None:
    for number in range(5):
        dicom(folder / f"{number}.dcm", number)
    nifti(folder / "brain.nii.gz", _ramp())
    first = imported(folder, cohort)
    dicom(folder / "new.dcm", 9)
    os.utime(folder / "0.dcm")  # a new date alone makes no other file
    again = imported(folder, cohort)
    assert (first.known, again.known) == (0, 5)
    assert again.cohort.instances == first.cohort.instances + 1
    assert reasons(cohort) == {}


def _ramp() -> "object":
    import numpy as np

    return np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def test_the_same_data_give_the_same_content_wherever_they_lie(folder: Path, cohort: Path, tmp_path: Path) -> None:
    for number in range(3):
        dicom(folder / "one" / f"{number}.dcm", number)
    other = tmp_path / "elsewhere"
    with zipfile.ZipFile(other, "w") as archive:
        for number in (2, 0, 1):
            archive.write(folder / "one" / f"{number}.dcm", f"deep/{number}")
    assert imported(folder, cohort).cohort.content == imported(other, tmp_path / "cohorts" / "zip").cohort.content


def _truncated(folder: Path) -> None:
    whole = dicom(folder / "whole.dcm", 1, "1.9").read_bytes()
    (folder / "bad").write_bytes(whole[:-10])


def _headless(folder: Path) -> None:
    whole = dicom(folder / "whole.dcm", 1, "1.9").read_bytes()
    (folder / "bad").write_bytes(whole[: whole.index(b"\xe0\x7f\x10\x00")])


def _climbing_uid(folder: Path) -> None:
    sound = dicom(folder / "bad", 11, "1.22.333.4444").read_bytes()
    (folder / "bad").write_bytes(sound.replace(b"1.22.333.4444.11", b"../../etc/passwd"))


def _double(folder: Path) -> None:
    dicom(folder / "a.dcm", 1)
    dicom(folder / "bad", 1)


def _conflict(folder: Path) -> None:
    dicom(folder / "a.dcm", 1)
    dicom(folder / "bad", 1, Modality="CT")


def _two_patients(folder: Path) -> None:
    dicom(folder / "a.dcm", 1)
    dicom(folder / "bad", 2, PatientID="another")


def _loop(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "bad").symlink_to(folder)


def _dangling(folder: Path) -> None:
    (folder / "bad").symlink_to(folder / "nothing")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "bad")


def _analyze(folder: Path) -> None:
    (folder / "bad.img").write_bytes(bytes(1000))


def _other_table(folder: Path) -> None:
    (folder / "bad.csv").write_text("colour,size\nred,3\n")


def _binary_table(folder: Path) -> None:
    (folder / "bad.csv").write_bytes(b"subject,dx\n\xff\xfe\x00\n")


def _fake_nifti(folder: Path) -> None:
    (folder / "bad.nii.gz").write_bytes(b"\x1f\x8b not gzip")


def _lonely_pictures(folder: Path) -> None:
    pictures(folder, bytes(3))
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    (folder / "train-images-idx3-ubyte.gz").rename(folder / "bad-images-idx3-ubyte.gz")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda folder: (folder / "bad").write_text("hello"), "neither DICOM"),
        (lambda folder: (folder / "bad").write_bytes(b""), "empty"),
        (lambda folder: (folder / "bad").write_bytes(bytes(128) + b"DICM" + b"\xff" * 50), "truncated"),
        (lambda folder: (folder / "bad").write_bytes(bytes(128) + b"DICM"), "no SOPInstanceUID"),
        (lambda folder: (folder / "bad").write_bytes(b"PK\x03\x04 and no more"), "a zip that is damaged"),
        (_truncated, "truncated"),
        (_headless, "without pixels"),
        (_climbing_uid, "SOPInstanceUID is '../../etc/passwd'"),
        (_double, "byte for byte the same"),
        (_conflict, "with other content"),
        (_two_patients, "another patient"),
        (_loop, "a link back to a folder above it"),
        (_dangling, "cannot be read"),
        (_pipe, "not a file but a device"),
        (_analyze, "Analyze"),
        (_other_table, "no table of diagnoses"),
        (_binary_table, "cannot be read"),
        (_fake_nifti, "no NIfTI that can be read"),
        (_lonely_pictures, "not beside it"),
    ],
)
def test_what_cannot_be_imported_is_listed_with_why(folder: Path, cohort: Path, make: object, why: str) -> None:
    dicom(folder / "good.dcm", 7, "1.7")
    make(folder)  # type: ignore[operator]  # the parameters above
    found = imported(folder, cohort)
    ((name, told),) = reasons(cohort).items()
    assert name.startswith("bad")
    assert why in told
    assert found.cohort.labels[""] >= 1  # what was good is there
    assert told.split(";")[0].replace('"', '""') in (cohort / LEFT_OUT).read_text()


def test_what_was_left_out_is_looked_at_again_when_it_may_do_now(folder: Path, cohort: Path) -> None:
    dicom(folder / "good", 1)
    locked = dicom(folder / "locked", 2)
    content, date = locked.read_bytes(), locked.stat().st_mtime_ns
    locked.write_bytes(bytes(len(content)))
    os.utime(locked, ns=(date, date))
    assert imported(folder, cohort).cohort.instances == 1
    locked.write_bytes(content)
    os.utime(locked, ns=(date, date))  # whatever was wrong with it: a disk that did not answer has no date either
    assert imported(folder, cohort).cohort.instances == 2
    assert reasons(cohort) == {}


def test_a_damaged_member_of_any_compression_is_left_out_and_the_rest_goes_on(folder: Path, cohort: Path) -> None:
    good = dicom(folder / "good", 1)
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = folder / f"{method}.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.write(dicom(folder.parent / "other", method), "member")
        damaged = bytearray(path.read_bytes())
        damaged[80:200] = bytes(120)
        path.write_bytes(damaged)
    found = imported(folder, cohort)
    assert found.cohort.instances == 1
    assert len(reasons(cohort)) == 3
    assert good.exists()


def test_a_zip_can_neither_climb_out_nor_blow_up(folder: Path, cohort: Path) -> None:
    good = dicom(folder / "good", 1)
    with zipfile.ZipFile(folder / "evil.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(good, "../../climbed")
        archive.writestr(zipfile.ZipInfo("/absolute"), good.read_bytes())
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("inner.zip", (b"PK\x03\x04" + bytes(100)))
        archive.writestr("fine", dicom(folder.parent / "fine", 2).read_bytes())
    good.unlink()
    with (
        zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("zeros", "w") as file,
    ):
        for _ in range(300):
            file.write(bytes(1 << 20))
    found = imported(folder, cohort)
    told = reasons(cohort)
    assert found.cohort.instances == 1
    assert {name: why.split(",")[0][:30] for name, why in told.items()} == {
        "climbed": "its path climbs out of the arc",
        "absolute": "its path climbs out of the arc",
        "evil.zip!link": "a symbolic link in an archive ",
        "evil.zip!inner.zip": "an archive in an archive is no",
        "bomb.zip": told["bomb.zip"].split(",")[0][:30],
    }
    assert "more than 200 times as much" in told["bomb.zip"]
    assert not list(cohort.parent.parent.rglob("climbed"))


def test_a_deflated_bomb_is_not_inflated(folder: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_MOST_INFLATED_BYTES", 1 << 25)
    whole = dicom(folder / "bad", 1).read_bytes()
    meta_end = 144 + int.from_bytes(whole[140:144], "little")
    meta = bytearray(whole[:meta_end].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"))
    grown = b"1.2.840.10008.1.2.1.99"
    at = meta.index(grown) - 2
    meta[at : at + 2] = len(grown).to_bytes(2, "little")
    meta[140:144] = (len(meta) - 144).to_bytes(4, "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(50)) + packer.flush()
    (folder / "bad").write_bytes(bytes(meta) + body)
    imported(folder, cohort)
    assert "a deflated file of" in reasons(cohort)["bad"]


def test_a_killed_import_goes_on_and_ends_as_one_that_was_not(folder: Path, cohort: Path, tmp_path: Path) -> None:
    for number in range(300):
        dicom(folder / f"{number // 20}" / f"{number}.dcm", number, f"1.2.{number // 20}")
    pictures(folder / "sets", bytes(n % 10 for n in range(1200)))
    whole = imported(folder, tmp_path / "cohorts" / "whole").cohort
    line = "import sys; from pathlib import Path; from nodes.imports.importing import run; "
    line += "run(Path(sys.argv[1]), Path(sys.argv[2]), lambda what, done, of: print(done, flush=True))"
    for stop_at in ("210", "290"):
        process = subprocess.Popen(
            [sys.executable, "-c", line, str(folder), str(cohort)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout is not None
        while process.stdout.readline().strip() != stop_at:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with pytest.raises(WrongState, match="testbed import PATH --out trial"):
            kept(cohort)
    again = imported(folder, cohort)
    assert again.cohort == whole
    assert again.known >= 200
    assert reasons(cohort) == {}
    assert not list(cohort.rglob("*.part"))
    with Store(cohort) as store:
        assert all(path.exists() for study in store.studies("class-3") for path, _ in store.files(study))


def test_two_imports_into_one_cohort_do_not_mix(folder: Path, cohort: Path) -> None:
    import fcntl

    dicom(folder / "a", 1)
    cohort.mkdir(parents=True)
    with (cohort / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(WrongState, match="another import"):
            imported(folder, cohort)
