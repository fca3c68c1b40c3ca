"""A folder de-identified: everything that may go is there, all else is listed, nothing is done twice or half."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from import_data import dicom
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from nodes.cohorts import scanners
from nodes.curation.identifying_attributes import identifying_attributes
from nodes.curation.images import Image, header
from nodes.defects import Defect
from nodes.defects.spoiling import spoil
from nodes.deidentification.exporting import LEFT_OUT, Exported, export
from nodes.deidentification.profile import new_uid
from nodes.dicom.archive import study_files
from nodes.dicom.study import Context
from nodes.errors import WrongInput, WrongState
from nodes.phantoms.studio import Pictures
from nodes.phantoms.subjects import Subject

ROOT = Path(__file__).parents[3]
CONTEXT = Context("lyon", 7, scanners.get("3T"))
SECRET = b"of this test alone"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def run(folder: Path, secret: bytes = SECRET) -> Exported:
    beside = folder.parent
    return export(folder, beside / "out", secret, "remove", beside / "ledgers", lambda *_: None)


def reasons(folder: Path) -> str:
    (listed,) = (folder.parent / "ledgers").glob(f"*/{LEFT_OUT}")
    return listed.read_text()


def written(folder: Path) -> list[Path]:
    return sorted((folder.parent / "out").rglob("*.dcm"))


def test_what_curation_finds_of_people_before_is_not_there_afterwards(
    folder: Path, patient: Subject, pictures: Pictures
) -> None:
    study = CONTEXT.uid(patient, "study")
    made = study_files(CONTEXT, patient, pictures, "single-frame")[20:40]
    named = 0
    for place in (0.1, 0.35, 0.6, 0.85):  # of each kind of remark
        for number, file in enumerate(spoil(made, Defect("identifying-attributes", study, "MR", place))):
            dataset = pydicom.dcmread(io.BytesIO(file))
            dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID[:50]}.{round(100 * place)}.{number}"
            dataset.save_as(folder / f"{place}-{number}.dcm")
            named += any(identifying_attributes(Image(header(file), [], "")))
    found = run(folder)
    assert named == found.named > 0
    assert (found.files, found.studies, found.left_out) == (80, 1, 0)
    assert [
        path for path in written(folder) if [*identifying_attributes(Image(header(path.read_bytes()), [], ""))]
    ] == []
    assert {path.parent.name for path in written(folder)} == {new_uid(study, SECRET)}


def test_text_in_pixels_and_what_is_no_dicom_are_left_out_and_listed(
    folder: Path, patient: Subject, pictures: Pictures
) -> None:
    made = study_files(CONTEXT, patient, pictures, "single-frame")[20:30]
    made = spoil(made, Defect("burnt-in-text", CONTEXT.uid(patient, "study"), "MR", 0.5))
    for number, file in enumerate(made):
        (folder / f"{number}.dcm").write_bytes(file)
    (folder / "notes.txt").write_text("not an image")
    found = run(folder)
    assert found.files == len(written(folder)) == 7
    assert found.left_out == 4
    assert reasons(folder).count("burnt-in text") == 3
    assert "notes.txt,not DICOM" in reasons(folder)


def _captured(
    path: Path, pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", kind: str = SecondaryCaptureImageStorage
) -> None:
    """A photograph of a screen: it lies nowhere in space."""
    path = dicom(path, 1)
    dataset = pydicom.dcmread(path)
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, f"1.2.9.{abs(hash(path.name)) % 10**6}"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    if pixels.ndim > 2:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.PixelData = pixels.tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path)


def _plain_and_lettered() -> "tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ...]":
    plain = np.random.default_rng(1).integers(0, 60, (64, 64)).astype(np.uint8)
    lettered = plain.copy()
    lettered[10:30:4, 5:60] = 255
    return plain, lettered


@pytest.mark.parametrize("kind", ["1.3.46.670589.5.0.2.1", "1.2.840.10008.5.1.4.1.1.9999", ""])
def test_text_is_seen_whatever_kind_of_object_the_pixels_are_in(folder: Path, kind: str) -> None:
    """Private, newer than this dictionary, or not told."""
    plain, lettered = _plain_and_lettered()
    _captured(folder / "plain.dcm", plain, kind)
    _captured(folder / "text.dcm", lettered, kind)
    run(folder)
    assert 'text.dcm,"burnt-in text' in reasons(folder)
    assert 'plain.dcm,"burnt' not in reasons(folder)


@pytest.mark.parametrize(("keyword", "bits"), [("FloatPixelData", 32), ("DoubleFloatPixelData", 64)])
def test_text_is_seen_in_pixels_of_fractions(folder: Path, keyword: str, bits: int) -> None:
    for name, pixels in zip(("plain", "text"), _plain_and_lettered(), strict=True):
        path = dicom(folder / f"{name}.dcm", len(name))
        dataset = pydicom.dcmread(path)
        del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.30"
        dataset.Rows = dataset.Columns = 64
        dataset.BitsAllocated = bits
        setattr(dataset, keyword, (pixels / 255).astype(f"<f{bits // 8}").tobytes())
        dataset.save_as(path)
    found = run(folder)
    assert (found.files, found.left_out) == (1, 1)
    assert 'text.dcm,"burnt-in text' in reasons(folder)


def test_text_in_a_capture_of_a_screen_is_seen_too(folder: Path) -> None:
    plain, lettered = _plain_and_lettered()
    _captured(folder / "plain.dcm", plain)
    _captured(folder / "text.dcm", lettered)
    _captured(folder / "colour.dcm", np.repeat(lettered[..., None], 3, axis=2))
    found = run(folder)
    assert (found.files, found.left_out) == (1, 2)
    assert "plain" not in reasons(folder)


def test_pixels_that_nobody_can_decode_are_not_passed_on_unseen(folder: Path) -> None:
    dataset = pydicom.dcmread(dicom(folder / "odd.dcm", 1))
    dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.102")  # MPEG-4
    dataset.PixelData = pydicom.encaps.encapsulate([b"no film at all"])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(folder / "odd.dcm")
    assert run(folder).files == 0
    assert "can't be decoded" in reasons(folder)


def test_run_again_it_does_what_is_new_or_has_changed_and_no_more(folder: Path) -> None:
    for number in (1, 2):
        dicom(folder / str(number), number)
    run(folder)
    dates = {path: path.stat().st_mtime_ns for path in written(folder)}
    dicom(folder / "3", 3)
    (folder / "1").unlink()
    dicom(folder / "1", 9)
    victim = next(path for path in written(folder) if path.stem == new_uid("1.2.3.2", SECRET))
    victim.unlink()
    found = run(folder)
    assert (found.files, found.known) == (3, 0)
    assert {path.stem for path in written(folder)} == {new_uid(f"1.2.3.{number}", SECRET) for number in (2, 3, 9)}
    assert run(folder).known == 3
    assert all(path not in dates or path == victim for path in written(folder))


def test_a_double_is_left_out_and_named(folder: Path) -> None:
    dicom(folder / "a", 1)
    dicom(folder / "b", 1)
    assert (run(folder).files, len(written(folder))) == (1, 1)
    assert f"a double: its UID is that of {folder / 'a'}" in reasons(folder)


def test_files_that_somebody_took_away_are_counted_no_more_and_nobodys_double(folder: Path) -> None:
    for number in (1, 2):
        dicom(folder / str(number), number)
    assert run(folder).written == 2
    (folder / "1").rename(folder / "3")
    next(path for path in written(folder) if path.stem == new_uid("1.2.3.1", SECRET)).unlink()
    found = run(folder)
    assert (found.files, found.written, found.known, found.left_out) == (2, 1, 1, 0)
    for path in [*written(folder), folder / "2", folder / "3"]:
        path.unlink()
    found = run(folder)
    assert (found.files, found.studies, found.written, found.known, found.named) == (0, 0, 0, 0, 0)


def test_what_names_the_originals_is_for_this_user_only(folder: Path) -> None:
    dicom(folder / "a", 1)
    (folder / "JANE ROE.txt").write_text("no image")
    ledgers = folder.parent / "ledgers"
    (ledgers / "older").mkdir(parents=True)
    run(folder)
    found = [ledgers, *(path for path in ledgers.rglob("*") if path.name != "older")]
    assert {path.name for path in found} >= {"ledger.sqlite", LEFT_OUT}
    assert [path for path in found if path.is_dir() and path.stat().st_mode & 0o777 != 0o700] == []
    assert [path for path in found if path.suffix in (".sqlite", ".csv") and path.stat().st_mode & 0o777 != 0o600] == []


def test_another_key_into_the_same_folder_is_refused(folder: Path) -> None:
    dicom(folder / "a", 1)
    run(folder)
    with pytest.raises(WrongState, match="another key"):
        run(folder, b"another secret of this test")
    with pytest.raises(WrongInput, match="can be guessed"):
        run(folder, b"short")


def test_killed_at_any_moment_it_goes_on_and_ends_as_one_that_was_not(folder: Path) -> None:
    for number in range(250):
        dicom(folder / f"{number:03d}", number)
    _killed(folder, "60")
    with pytest.raises(WrongState, match="another key"):
        run(folder, b"another secret of this test")
    _killed(folder, "190")
    found = run(folder)
    assert found.files == len(written(folder)) == 250
    assert found.known >= 100
    assert all(pydicom.dcmread(path).PatientIdentityRemoved == "YES" for path in written(folder))
    assert not [*(folder.parent / "out").rglob("*.part")]


def _killed(folder: Path, stop_at: str) -> None:
    """An export that is killed after so many files."""
    line = "import sys; from pathlib import Path; from nodes.deidentification.exporting import export; "
    line += "p = Path(sys.argv[1]); export(p, p.parent/'out', b'of this test alone', 'remove', p.parent/'ledgers', "
    line += "lambda what, done, of: print(done, flush=True))"
    process = subprocess.Popen([sys.executable, "-c", line, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    while process.stdout.readline().strip() != stop_at:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
