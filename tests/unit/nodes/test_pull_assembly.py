import io
import itertools
import random
from collections.abc import Iterable

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.cohorts import scanners
from nodes.dicom.archive import study_files
from nodes.dicom.study import Context
from nodes.errors import Unreadable
from nodes.phantoms.studio import Pictures
from nodes.phantoms.subjects import Subject
from nodes.pull.elements import NotFollowed
from nodes.pull.frames import quick
from nodes.pull.multipart import Splitter, boundary_of
from nodes.pull.studies import Assembly, Study

CONTEXT = Context("lyon", 7, scanners.get("3T"))


def assembled(made: list[bytes], patient: Subject) -> Study:
    assembly = Assembly()
    for file in made:
        assembly.add(file)
    return assembly.study(CONTEXT.uid(patient, "study"))


@pytest.fixture(scope="module")
def slices(patient: Subject, pictures: Pictures) -> list[bytes]:
    return study_files(CONTEXT, patient, pictures, "single-frame")


def test_single_and_multi_frame_give_the_same_volumes(
    patient: Subject, pictures: Pictures, slices: list[bytes]
) -> None:
    single = assembled(slices, patient)
    multi = assembled(study_files(CONTEXT, patient, pictures, "multi-frame"), patient)
    assert single.label == multi.label == patient.label
    assert single.volumes.keys() == multi.volumes.keys() == {"MR", "PT"}
    for modality, volume in single.volumes.items():
        np.testing.assert_array_equal(volume.values, multi.volumes[modality].values)
        np.testing.assert_allclose(volume.affine, multi.volumes[modality].affine)


def test_files_may_come_in_any_order(patient: Subject, slices: list[bytes]) -> None:
    shuffled = slices.copy()
    random.Random(1).shuffle(shuffled)  # noqa: S311 - an order, not a secret
    for modality, volume in assembled(shuffled, patient).volumes.items():
        np.testing.assert_array_equal(volume.values, assembled(slices, patient).volumes[modality].values)


def test_values_and_places_are_those_that_were_scanned(
    patient: Subject, pictures: Pictures, slices: list[bytes]
) -> None:
    study = assembled(slices, patient)
    for modality, scan in (("MR", pictures.mri), ("PT", pictures.pet)):
        assert scan is not None
        volume = study.volumes[modality]
        np.testing.assert_allclose(volume.values, scan.stored * scan.slope, rtol=1e-5)
        z, y, x = 3, 5, 7
        place = (volume.affine @ [x, y, z, 1])[:3]
        np.testing.assert_allclose(place, [scan.grid.axes[2][x], scan.grid.axes[1][y], scan.grid.axes[0][z]], atol=1e-3)


def test_files_in_another_encoding_are_read_all_the_same(patient: Subject, slices: list[bytes]) -> None:
    implicit = []
    for file in slices:
        dataset = pydicom.dcmread(io.BytesIO(file))
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        buffer = io.BytesIO()
        dataset.save_as(buffer, implicit_vr=True, little_endian=True)
        implicit.append(buffer.getvalue())
    with pytest.raises(NotFollowed):
        quick(implicit[0])
    volume = assembled(implicit, patient).volumes["MR"]
    np.testing.assert_array_equal(volume.values, assembled(slices, patient).volumes["MR"].values)


def test_a_missing_slice_is_noticed(patient: Subject, slices: list[bytes]) -> None:
    with pytest.raises(Unreadable, match="a slice is missing or there twice"):
        assembled(slices[:10] + slices[11:], patient)


def test_a_slice_that_comes_twice_is_noticed(patient: Subject, slices: list[bytes]) -> None:
    with pytest.raises(Unreadable, match="a slice is missing or there twice"):
        assembled([*slices, slices[4]], patient)


def test_another_study_than_the_one_asked_for_is_refused(slices: list[bytes]) -> None:
    assembly = Assembly()
    assembly.add(slices[0])
    with pytest.raises(Unreadable, match=r"study 2\.25\.1: the PACS sent a file of study"):
        assembly.study("2.25.1")


@pytest.mark.parametrize(
    ("keyword", "value", "told"),
    [
        ("RescaleSlope", "1e300", "no numbers"),
        ("PixelSpacing", ["0", "0"], "are none"),
        ("ImageOrientationPatient", ["1", "0", "0", "1", "0", "0"], "are none"),
    ],
)
def test_values_and_places_that_are_none_are_refused(
    patient: Subject, slices: list[bytes], keyword: str, value: object, told: str
) -> None:
    def changed(data: bytes) -> bytes:
        dataset, buffer = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
        setattr(dataset, keyword, value)
        dataset.save_as(buffer)
        return buffer.getvalue()

    with pytest.raises(Unreadable, match=told):
        assembled([changed(data) for data in slices], patient)


def test_no_image_at_all_is_said() -> None:
    with pytest.raises(Unreadable, match="sent no image"):
        Assembly().study("2.25.1")


@given(st.binary(max_size=300))
def test_bytes_that_are_no_dicom_are_refused_and_never_crash(noise: bytes) -> None:
    for data in (noise, bytes(128) + b"DICM" + noise):
        with pytest.raises(Unreadable):
            Assembly().add(data)


def parts_of(splitter: Splitter, chunks: Iterable[bytes]) -> list[bytes]:
    """The parts, put together from their pieces."""
    found: list[bytearray] = []
    ended = True
    for chunk in chunks:
        for data, first, last in splitter.feed(chunk):
            assert first == ended
            if first:
                found.append(bytearray())
            found[-1] += data
            ended = last
    return [bytes(part) for part in found]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.lists(st.integers(1, 60), min_size=1, max_size=9))
def test_parts_come_out_whole_however_the_bytes_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    mark = b"b0undary"
    body = b"".join(b"\r\n--" + mark + b"\r\nContent-Type: application/dicom\r\n\r\n" + part for part in parts)
    body = body[2:] + b"\r\n--" + mark + b"--\r\n"
    chunks, place = [], 0
    for width in itertools.cycle(cuts):
        chunks.append(body[place : place + width])
        place += width
        if place >= len(body):
            break
    splitter = Splitter(mark)
    assert parts_of(splitter, chunks) == parts
    splitter.finish()


def test_parts_larger_than_the_memory_come_in_pieces_and_those_beside_them_whole() -> None:
    sizes = (700_000, 100, 9_000_000, 4_194_304, 0, 20_000_001, 5)
    parts = [random.Random(size).randbytes(size) for size in sizes]  # noqa: S311 - noise, not a secret
    body = b"".join(b"--b\r\n\r\n" + part + b"\r\n" for part in parts) + b"--b--"
    for width in (65_536, 10_000_000):
        splitter = Splitter(b"b")
        chunks = [body[place : place + width] for place in range(0, len(body), width)]
        assert parts_of(splitter, chunks) == parts
        splitter.finish()


@given(st.binary(max_size=2000), st.sampled_from([b"b", b"--", b"\r\n", b"\0"]), st.integers(1, 2000))
def test_whatever_comes_is_split_or_refused(noise: bytes, boundary: bytes, width: int) -> None:
    splitter = Splitter(boundary)
    try:
        parts_of(splitter, [noise[place : place + width] for place in range(0, len(noise), width)])
        splitter.finish()
    except Unreadable:
        pass


def test_an_answer_that_is_cut_short_is_noticed() -> None:
    splitter = Splitter(b"x")
    assert parts_of(splitter, [b"--x\r\nA: b\r\n\r\nhalf a part"]) == []
    with pytest.raises(Unreadable, match="closing boundary is missing"):
        splitter.finish()


def test_the_boundary_is_read_with_and_without_quotes() -> None:
    assert boundary_of('multipart/related; type="application/dicom"; boundary="a b"') == b"a b"
    assert boundary_of("multipart/related; boundary=abc; type=x") == b"abc"


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/related"])
def test_an_answer_that_is_not_multipart_is_said(content_type: str) -> None:
    with pytest.raises(Unreadable, match="expected multipart/related"):
        boundary_of(content_type)
