"""Nothing of whom a file is of stays in it: each attribute of PS3.15's table, judged by the raw bytes and by others."""

import datetime as dt
import io
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest
from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from hypothesis import given
from hypothesis import strategies as st
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import (
    dictionary_has_tag,
    dictionary_VR,
    keyword_for_tag,
    tag_for_keyword,
)
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from nodes.cohorts import scanners
from nodes.deidentification import texts
from nodes.deidentification.dates import Dates
from nodes.deidentification.profile import deidentify, new_uid
from nodes.dicom import labels
from nodes.dicom.archive import Storage, study_files
from nodes.dicom.dialects import spoken
from nodes.dicom.study import Context
from nodes.errors import Unreadable, WrongInput
from nodes.pacs.habits import Writes
from nodes.phantoms.studio import Pictures
from nodes.phantoms.subjects import Subject
from nodes.pull.studies import Assembly, Study

CONTEXT = Context("lyon", 7, scanners.get("3T"))
SECRET = b"of this test alone"
TEXT, WHEN = "IDENTIFYME", "19420613"
PLANTED: dict[str, object] = {
    "AE": TEXT,
    "AS": "077Y",
    "CS": TEXT,
    "DA": WHEN,
    "DS": "613.42",
    "DT": f"{WHEN}061342",
    "IS": "61342",
    "LO": TEXT,
    "LT": TEXT,
    "PN": f"{TEXT}^{TEXT}",
    "SH": TEXT,
    "ST": TEXT,
    "TM": "061342",
    "UC": TEXT,
    "UI": "1.3.6.1.4.1.613.42.61342",
    "UR": f"http://{TEXT}.example",
    "UT": TEXT,
    "OB": TEXT.encode(),
    "OW": TEXT.encode(),
    "UN": TEXT.encode(),
    "FD": 613.42,
    "FL": 613.5,
    "SL": 6134,
    "SS": 6134,
    "UL": 6134,
    "US": 6134,
}
TRACES = [TEXT.encode(), WHEN.encode(), b"61342", b"613.42", b"077Y"]


def table() -> set[int]:
    """Every attribute of the profile's table: as the library has it, and as GDCM does."""
    fields = dicom_anonymization_database_selector("dicomfields_2026c")
    tags = {group << 16 | element for tags in fields.values() for group, element, *mask in tags if not mask}
    others = gdcm.Anonymizer.GetBasicApplicationLevelConfidentialityProfileAttributes()
    tags |= {one.GetGroup() << 16 | one.GetElement() for one in others}
    overlay, curve = {0x60004000, 0x60023000}, {0x50002500}
    return {tag for tag in tags | overlay | curve if tag >> 16 > 4}


def plant(dataset: Dataset, tags: set[int]) -> None:
    for tag in tags:
        vr = dictionary_VR(tag).split(" or ")[0] if dictionary_has_tag(tag) else "LO"
        value = PLANTED.get(vr)
        if vr == "SQ":
            item = Dataset()
            item.PatientName, item.StudyDate, item.ReferencedSOPInstanceUID = TEXT, WHEN, PLANTED["UI"]
            value = [item]
        dataset[tag] = DataElement(tag, vr, value)


@pytest.fixture(scope="module", params=["single-frame", "multi-frame"])
def files(request: pytest.FixtureRequest, patient: Subject, pictures: Pictures) -> list[bytes]:
    storage: Storage = request.param
    made = study_files(CONTEXT, patient, pictures, storage)
    return made if storage == "multi-frame" else made[20:24] + made[70:74]


def pulled(files: Sequence[bytes], uid: str) -> Study:
    assembly = Assembly()
    for file in files:
        assembly.add(file)
    return assembly.study(uid)


def read(file: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(file))


def test_nothing_that_the_table_names_keeps_its_value_however_deep_it_stands(files: list[bytes]) -> None:
    dataset, tags = read(files[0]), table()
    assert len(tags) > 600
    plant(dataset, tags)
    nest = Dataset()
    plant(nest, tags)
    dataset.SourceImageSequence = [Dataset()]
    dataset.SourceImageSequence[0].DerivationCodeSequence = [nest]
    dataset.private_block(0x0011, TEXT, create=True).add_new(1, "UN", TEXT.encode())
    dataset.preamble = TEXT.encode().ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = TEXT
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    assert all(trace in buffer.getvalue() for trace in TRACES)
    clean = deidentify(buffer.getvalue(), SECRET)
    header = clean[: clean.index(b"\xe0\x7f\x10\x00")]
    assert [trace for trace in TRACES if trace in header] == []
    numbers = [element for element in read(clean).iterall() if element.value in (6134, 613.5, 613.42)]
    assert numbers == []


WORDS = ("LO", "LT", "ST", "UT", "UC", "PN", "SH")
KEPT = {keyword for keywords in texts.KEPT.values() for keyword in keywords}


def worded() -> dict[int, str]:
    """Every attribute of DICOM's dictionary that holds words, and its VR; of those that repeat, one each."""
    found = {tag: entry[0] for tag, entry in DicomDictionary.items() if entry[0] in WORDS and tag >> 16 > 4}
    every = {int(mask.replace("x", "2"), 16): entry[0] for mask, entry in RepeatersDictionary.items()}
    return found | {tag: vr for tag, vr in every.items() if vr in WORDS}


def survivors(dataset: Dataset, planted: dict[int, str]) -> set[str]:
    """Keywords of attributes whose own mark is still somewhere in the bytes."""
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert all(mark.encode() in buffer.getvalue() for mark in planted.values())
    clean = deidentify(buffer.getvalue(), SECRET)
    return {keyword_for_tag(tag) or f"{tag:08x}" for tag, mark in planted.items() if mark.encode() in clean}


@pytest.mark.parametrize("deep", [False, True])
def test_of_every_attribute_that_holds_words_only_those_pass_that_are_listed_with_a_reason(
    files: list[bytes], deep: bool
) -> None:
    dataset, marks = read(files[0]), dict[int, str]()
    into = Dataset() if deep else dataset
    for tag, vr in worded().items():
        marks[tag] = f"MARK{tag:08X}"
        into[tag] = DataElement(tag, vr, marks[tag])
    if deep:
        dataset.SourceImageSequence = [into]
    assert len(marks) > 700
    assert survivors(dataset, marks) == KEPT - {"CodingSchemeURL", "URNCodeValue"}  # addresses hold no words


def test_the_list_of_what_passes_names_nothing_that_the_table_names() -> None:
    tags = {tag_for_keyword(keyword) for keyword in KEPT}
    assert len(tags) == len(KEPT)
    assert tags.isdisjoint(table() | {None})


def test_the_label_is_the_one_diagnosis_that_passes_and_only_in_our_own_words(files: list[bytes]) -> None:
    dataset = read(files[0])
    labels.write(dataset, "mci")
    dataset.AdmittingDiagnosesDescription = TEXT
    dataset.AdmittingDiagnosesCodeSequence[0].CodeMeaning = TEXT
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    clean = deidentify(buffer.getvalue(), SECRET)
    assert TEXT.encode() not in clean
    assert labels.read(labels.codes(read(clean)), "") == "mci"


UNKNOWN = {0x00120F01: "LO", 0x7FDE0010: "UT", 0x00180F02: "UN", 0x60020F22: "SH", 0x00080F03: "OB", 0x00080F04: "CS"}
UNKNOWN |= {tag: vr for tag, (vr, *_) in DicomDictionary.items() if vr == "UN"}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_what_no_dictionary_knows_goes_whatever_vr_it_claims(files: list[bytes], syntax: UID) -> None:
    dataset = read(files[0])
    dataset.SourceImageSequence = [Dataset()]
    for tag, vr in UNKNOWN.items():
        for into in (dataset, dataset.SourceImageSequence[0]):
            into[tag] = DataElement(tag, vr, TEXT.encode() if vr in ("UN", "OB") else TEXT)
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=syntax.is_implicit_VR, little_endian=True)
    assert TEXT.encode() in buffer.getvalue()
    assert TEXT.encode() not in deidentify(buffer.getvalue(), SECRET)


@pytest.mark.parametrize("dates", ["remove", "shift"])
def test_births_in_another_calendar_remarks_and_what_overlays_are_called_are_not_even_there(dates: Dates) -> None:
    made, tags = read(dated()), {0x00100033, 0x00100034, 0x00100035, 0x00400400, 0x60000022, 0x60041500}
    for tag in tags:
        made[tag] = DataElement(tag, dictionary_VR(tag), TEXT)
    buffer = io.BytesIO()
    made.save_as(buffer)
    assert tags.isdisjoint(element.tag for element in read(deidentify(buffer.getvalue(), SECRET, dates)))


def test_words_under_the_tag_of_a_number_go_and_numbers_under_the_vr_of_words_stay(files: list[bytes]) -> None:
    dataset = read(files[0])
    dataset[0x00180050] = DataElement(0x00180050, "LO", TEXT)
    dataset[0x00181310] = DataElement(0x00181310, "LO", TEXT)
    dataset[0x00180088] = DataElement(0x00180088, "LO", "3.25")
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    clean = deidentify(buffer.getvalue(), SECRET)
    assert TEXT.encode() not in clean
    assert b"3.25" in clean


def test_a_sequence_that_is_to_be_empty_keeps_none_of_its_items(files: list[bytes]) -> None:
    """Not what stands in the table alone: a name may be anywhere in them."""
    dataset, context, observer = read(files[0]), Dataset(), Dataset()
    context.ValueType, context.TextValue = "TEXT", TEXT
    observer.CodeValue, observer.CodeMeaning = "1", TEXT
    dataset.AcquisitionContextSequence = [context]
    dataset.VerifyingObserverIdentificationCodeSequence = [observer]
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert TEXT.encode() in buffer.getvalue()
    assert TEXT.encode() not in deidentify(buffer.getvalue(), SECRET)


@pytest.mark.parametrize(
    "writes",
    [Writes(), Writes(wrong_vr=True), Writes(syntax="jpeg-ls", private=True, charset="ISO 2022 IR 87")],
)
def test_volumes_and_labels_survive_and_the_patient_does_not(
    files: list[bytes], patient: Subject, writes: Writes
) -> None:
    old = CONTEXT.uid(patient, "study")
    written = spoken(files, writes)
    clean = [deidentify(file, SECRET) for file in written]
    before, after = pulled(written, old), pulled(clean, new_uid(old, SECRET))
    assert after.label == before.label == patient.label
    for modality, volume in before.volumes.items():
        np.testing.assert_array_equal(after.volumes[modality].values, volume.values)
        np.testing.assert_array_equal(after.volumes[modality].affine, volume.affine)
    name = str(read(written[0]).PatientName)
    for file in clean:
        assert before.patient_id.encode() not in file
        assert str(read(file).PatientName) != name
        assert not any(element.tag.is_private for element in read(file).iterall())
        assert read(file).PatientIdentityRemoved == "YES"


def test_uids_stay_together_under_one_secret_and_tell_nothing_under_another(files: list[bytes]) -> None:
    clean = [read(deidentify(file, SECRET)) for file in files]
    old = [read(file) for file in files]
    assert len({one.StudyInstanceUID for one in clean}) == 1
    assert len({one.SeriesInstanceUID for one in clean}) == len({one.SeriesInstanceUID for one in old}) == 2
    assert len({one.SOPInstanceUID for one in clean}) == len(files)
    assert {one.FrameOfReferenceUID for one in clean}.isdisjoint({one.FrameOfReferenceUID for one in old})
    assert all(one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID for one in clean)
    assert [one.SOPClassUID for one in clean] == [one.SOPClassUID for one in old]
    other = read(deidentify(files[0], SECRET + b"!"))
    assert (other.StudyInstanceUID, other.PatientID) != (clean[0].StudyInstanceUID, clean[0].PatientID)
    assert deidentify(files[0], SECRET) == deidentify(files[0], SECRET)


@given(st.text("0123456789.", min_size=1, max_size=64), st.binary(min_size=16, max_size=40))
def test_a_new_uid_is_valid_and_one_of_the_standard_stays(old: str, secret: bytes) -> None:
    assert UID(new_uid(old, secret)).is_valid
    assert new_uid(f"1.2.840.10008.{old}", secret) == f"1.2.840.10008.{old}"


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_an_independent_validator_still_finds_nothing_wrong(files: list[bytes], tmp_path: Path) -> None:
    for number in (0, -1):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(deidentify(files[number], SECRET))
        said = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False).stderr
        # A DICOMDIR would want the study's date and ID, which the profile has emptied.
        wrong = [line for line in said.splitlines() if "Error" in line or "Warning" in line]
        assert [line for line in wrong if "build DICOMDIR" not in line] == []


def test_dcmtk_reads_no_word_of_the_patient(files: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "clean.dcm"
    path.write_bytes(deidentify(files[0], SECRET))
    said = subprocess.run(["dcmdump", "+L", path], capture_output=True, text=True, check=True).stdout
    old = read(files[0])
    words = [old.PatientID, old.PatientBirthDate, old.StudyDate, old.InstitutionName, old.StudyInstanceUID]
    assert [word for word in words if str(word) in said] == []


def dated(**values: object) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4"
    dataset.PatientID, dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime = "A", WHEN, "20200131", "101500"
    dataset.RequestAttributesSequence = [Dataset()]
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_shifted_dates_keep_what_lies_between_them_and_nobody_knows_by_how_much(files: list[bytes]) -> None:
    first = read(deidentify(dated(AcquisitionDateTime="20200302081500.5"), SECRET, "shift"))
    later = read(deidentify(dated(StudyDate="20210131"), SECRET, "shift"))
    other = read(deidentify(dated(PatientID="B"), SECRET, "shift"))
    days = [dt.datetime.strptime(one.StudyDate, "%Y%m%d") for one in (first, later, other)]  # noqa: DTZ007 - days
    assert days[1] - days[0] == dt.timedelta(days=366)
    assert 365 <= (dt.datetime(2020, 1, 31) - days[0]).days < 3650  # noqa: DTZ001 - days
    assert days[2] != days[0]
    moment = first.AcquisitionDateTime
    assert dt.datetime.strptime(moment[:8], "%Y%m%d") - days[0] == dt.timedelta(days=31)  # noqa: DTZ007 - days
    assert (moment[8:], first.StudyTime) == ("081500.5", "101500")
    assert not first.PatientBirthDate
    assert first.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "113107" in [one.CodeValue for one in first.DeidentificationMethodCodeSequence]
    assert read(deidentify(dated(), SECRET)).StudyDate != "20200131"


@pytest.mark.parametrize(
    "odd", ["202001", "20201399", "2020.01.31", "yesterday", "20180501-20180502", "20180501 JANE ROE"]
)
def test_a_date_that_cannot_be_moved_goes(odd: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = dated(StudyDate=odd)
        assert odd.encode() in made
        assert odd.encode()[-8:] not in deidentify(made, SECRET, "shift")


@pytest.mark.parametrize(
    ("keyword", "odd"),
    [
        ("AcquisitionDateTime", "20180501101500-20180502"),
        ("AcquisitionDateTime", "20180501 JANE ROE"),
        ("AcquisitionDateTime", "2018050110150012"),
        ("StudyTime", "10 JANE ROE"),
        ("StudyTime", "1015-1120"),
    ],
)
def test_a_moment_keeps_nothing_that_belongs_to_no_moment(keyword: str, odd: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = dated(**{keyword: odd})
        assert odd.encode() in made
        clean = deidentify(made, SECRET, "shift")
    assert odd.encode() not in clean
    assert odd.encode()[-6:] not in clean


@pytest.mark.parametrize("tail", ["", "10", "1015", "101500", "101500.123456", "101500.5+0100", "-0500"])
def test_a_whole_moment_keeps_its_hour_and_zone(tail: str) -> None:
    moved = read(deidentify(dated(AcquisitionDateTime=f"20200302{tail}"), SECRET, "shift")).AcquisitionDateTime
    assert moved[8:] == tail
    assert moved[:8] < "20190303"


def test_what_planted_dates_say_is_gone_also_where_dates_are_moved(files: list[bytes]) -> None:
    dataset = read(files[0])
    plant(dataset, table())
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    clean = deidentify(buffer.getvalue(), SECRET, "shift")
    header = clean[: clean.index(b"\xe0\x7f\x10\x00")]
    assert [trace for trace in TRACES if trace in header and trace != b"61342"] == []  # a time of day stays


def test_a_short_secret_and_what_is_no_dicom_are_refused(files: list[bytes]) -> None:
    with pytest.raises(WrongInput, match="can be guessed; it needs 16"):
        deidentify(files[0], b"short")
    with pytest.raises(Unreadable, match="not de-identified"):
        deidentify(b"not a DICOM file at all", SECRET)
