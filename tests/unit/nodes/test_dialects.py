"""However an archive writes a study, the pull reads the same volumes to the bit, and tools of others read it too."""

import io
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from emulator.topology.resolved import Pacs
from nodes.cohorts import scanners
from nodes.dicom.archive import Storage, study_files
from nodes.dicom.dialects import spoken
from nodes.dicom.study import Context
from nodes.dicom.syntaxes import SYNTAXES
from nodes.pacs import flavours
from nodes.pacs.habits import Writes
from nodes.phantoms.studio import Pictures
from nodes.phantoms.subjects import Subject
from nodes.pull.studies import Assembly, Study

CONTEXT = Context("lyon", 7, scanners.get("3T"))
CHARSETS = ["ISO_IR 6", "ISO_IR 100", "ISO_IR 192", "ISO 2022 IR 87"]
ODD = [
    *({"syntax": syntax} for syntax in SYNTAXES if syntax != "explicit"),
    *({"charset": charset} for charset in CHARSETS),
    {"private": True},
    {"missing_type2": True},
    {"wrong_vr": True},
    {"syntax": "implicit", "charset": "ISO 2022 IR 87", "private": True, "missing_type2": True, "wrong_vr": True},
    {"syntax": "jpeg-ls", "charset": "ISO_IR 192", "private": True, "missing_type2": True, "wrong_vr": True},
]
DCMTK = {
    "implicit": ["dcmconv", "+te"],
    "deflated": ["dcmconv", "+te"],
    "rle": ["dcmdrle"],
    "jpeg-lossless": ["dcmdjpeg"],
    "jpeg-ls": ["dcmdjpls"],
}


@pytest.fixture(scope="module", params=["single-frame", "multi-frame"])
def plain(request: pytest.FixtureRequest, patient: Subject, pictures: Pictures) -> list[bytes]:
    storage: Storage = request.param
    files = study_files(CONTEXT, patient, pictures, storage)
    return files if storage == "multi-frame" else files[20:26]  # a few slices tell as much, sooner


def pulled(files: Sequence[bytes], patient: Subject) -> Study:
    assembly = Assembly()
    for file in files:
        assembly.add(file)
    return assembly.study(CONTEXT.uid(patient, "study"))


def first(files: Sequence[bytes]) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(files[0]))


@pytest.mark.parametrize("said", ODD, ids=lambda said: "+".join(str(value) for value in said.values()))
def test_the_pull_reads_the_same_volumes_to_the_bit(
    plain: list[bytes], patient: Subject, said: dict[str, object]
) -> None:
    written = spoken(plain, Writes.model_validate(said))
    assert all(one != other for one, other in zip(written, plain, strict=True))
    study, expected = pulled(written, patient), pulled(plain, patient)
    assert (study.label, study.patient_id) == (expected.label, expected.patient_id)
    assert study.volumes.keys() == expected.volumes.keys()
    for modality, volume in expected.volumes.items():
        np.testing.assert_array_equal(study.volumes[modality].values, volume.values)
        np.testing.assert_array_equal(study.volumes[modality].affine, volume.affine)


@pytest.mark.parametrize("syntax", DCMTK)
def test_dcmtk_decodes_the_same_pixels(plain: list[bytes], syntax: str, tmp_path: Path) -> None:
    written, decoded = tmp_path / "written.dcm", tmp_path / "decoded.dcm"
    written.write_bytes(spoken(plain[:1], Writes.model_validate({"syntax": syntax}))[0])
    assert pydicom.dcmread(written).file_meta.TransferSyntaxUID == SYNTAXES[syntax]
    subprocess.run([*DCMTK[syntax], written, decoded], check=True, capture_output=True)
    assert pydicom.dcmread(decoded).PixelData == first(plain).PixelData


def test_gdcm_decodes_the_same_jpeg_2000(plain: list[bytes]) -> None:
    written = pydicom.dcmread(io.BytesIO(spoken(plain[:1], Writes(syntax="jpeg-2000"))[0]))
    assert UID(written.file_meta.TransferSyntaxUID) == SYNTAXES["jpeg-2000"]
    written.decompress(decoding_plugin="gdcm", generate_instance_uid=False)
    assert written.PixelData == first(plain).PixelData


@pytest.mark.parametrize("charset", CHARSETS)
def test_names_are_written_in_the_character_set_and_dcmtk_reads_them(
    plain: list[bytes], charset: str, tmp_path: Path
) -> None:
    path = tmp_path / "named.dcm"
    path.write_bytes(spoken(plain[:1], Writes.model_validate({"charset": charset}))[0])
    name = str(pydicom.dcmread(path).PatientName)
    assert name.startswith("PHANTOM^")
    assert name.isascii() == (charset == "ISO_IR 6")
    assert name.count("=") == (2 if charset == "ISO 2022 IR 87" else 0)
    # DCMTK converts ISO 2022 only with a library that Debian builds it without: the bytes as they are, then.
    as_is, codec = ([], "iso2022_jp") if charset == "ISO 2022 IR 87" else (["+U8"], "utf-8")
    argv = ["dcmdump", *as_is, "+P", "PatientName", path]
    said = subprocess.run(argv, check=True, capture_output=True, text=True, encoding=codec).stdout
    assert f"[{name}]" in said


def test_private_attributes_come_from_two_creators(plain: list[bytes]) -> None:
    dataset = first(spoken(plain[:1], Writes(private=True)))
    assert len(dataset.private_creators(0x0029)) == 2
    assert dataset.private_block(0x0029, "PHANTOM SCANNER 1.0")[0x02].value == "0.97"
    assert dataset.private_block(0x0029, "PHANTOM ARCHIVE 2")[0x01].VM == 1


def test_attributes_of_type_2_are_left_out_and_what_names_a_study_is_not(plain: list[bytes]) -> None:
    dataset = first(spoken(plain[:1], Writes(missing_type2=True)))
    assert "ReferringPhysicianName" not in dataset
    assert "SeriesNumber" not in dataset
    assert dataset.PatientID
    assert dataset.StudyInstanceUID


def test_a_wrong_vr_stands_in_the_file(plain: list[bytes]) -> None:
    dataset = first(spoken(plain[:1], Writes(wrong_vr=True)))
    assert dataset["SeriesNumber"].VR == "DS"
    assert dataset["StudyDescription"].VR == "UT"


def test_one_instance_is_there_twice_under_one_uid_and_differs(plain: list[bytes]) -> None:
    written = spoken(plain, Writes(doubled_uids=True))
    uids = [pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True).SOPInstanceUID for file in written]
    assert len(uids) == len(plain) + 1
    assert len(set(uids)) == len(plain)
    assert len(set(written)) == len(written)


def test_the_same_habits_write_the_same_bytes_and_none_change_nothing(plain: list[bytes]) -> None:
    said = Writes(syntax="jpeg-lossless", charset="ISO_IR 192", private=True)
    assert spoken(plain[:1], said) == spoken(plain[:1], said)
    assert spoken(plain, Writes()) == plain


def test_how_a_pacs_writes_is_part_of_the_key_of_its_storage_and_the_usual_way_is_not() -> None:
    def kept(**said: object) -> str:
        return repr(flavours.get("orthanc").storage_key(Pacs("p", "orthanc", {"writes": said} if said else {})))

    assert kept() == kept(syntax="explicit", private=False) == "{}"
    keys = {kept(**said) for said in ODD}
    assert len(keys) == len(ODD)
