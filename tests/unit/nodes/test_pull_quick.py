"""The quick reader gives what pydicom gives, or leaves the file to pydicom; damaged files are read or refused."""

import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from persons import person
from pydicom.dataset import Dataset

from nodes.cohorts import scanners
from nodes.dicom import enhanced, single
from nodes.dicom.study import Context
from nodes.errors import Unreadable
from nodes.phantoms.grids import Grid
from nodes.phantoms.volumes import Scan
from nodes.pull.elements import NotFollowed
from nodes.pull.frames import Frame, by_pydicom, frames, quick
from nodes.pull.identity import identify, identity_by_pydicom, quick_identity
from nodes.pull.studies import Assembly, Study

CONTEXT = Context("lyon", 7, scanners.get("3T"))
PATIENT = person()
UID = CONTEXT.uid(PATIENT, "study")


def scan(
    shape: tuple[int, int, int] = (4, 3, 2), slope: float = 0.5, origin: float = -10.25, step: float = 2.5
) -> Scan:
    stored = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    return Scan(stored, slope, Grid(shape, (origin, origin / 3, -origin), (step, step / 2, step / 3)))


def pet(frames: int = 4) -> bytes:
    return enhanced.pet_files(CONTEXT, PATIENT, scan((frames, 3, 2)))[0]


def comparable(found: list[Frame]) -> list[Any]:
    return [(*frame[:-1], frame.stored.shape, frame.stored.tolist()) for frame in found]


def changed(data: bytes, change: Callable[[Dataset], None]) -> bytes:
    dataset, buffer = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
    change(dataset)
    dataset.save_as(buffer)
    return buffer.getvalue()


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(1, 6)),
    st.floats(1e-6, 1e6),
    st.floats(-500, 500),
    st.floats(0.1, 9),
    st.sampled_from([enhanced.mri_files, enhanced.pet_files, single.mri_files, single.pet_files]),
)
def test_any_geometry_is_read_as_pydicom_reads_it(
    shape: tuple[int, int, int], slope: float, origin: float, step: float, write: Callable[..., list[bytes]]
) -> None:
    for data in write(CONTEXT, PATIENT, scan(shape, slope, origin, step)):
        for view in (data, memoryview(bytearray(data))):
            assert comparable(quick(view)) == comparable(by_pydicom(data))
            assert quick_identity(view) == identity_by_pydicom(data)


def sequences(dataset: Dataset) -> Iterator[pydicom.DataElement]:
    for element in dataset:
        if element.VR == "SQ":
            yield element
            for item in element.value:
                yield from sequences(item)


def undefined_sequences(dataset: Dataset) -> None:
    for element in sequences(dataset):
        element.is_undefined_length = True


def undefined_items(dataset: Dataset) -> None:
    for element in sequences(dataset):
        for item in element.value:
            item.is_undefined_length_sequence_item = True


def undefined_throughout(dataset: Dataset) -> None:
    undefined_sequences(dataset)
    undefined_items(dataset)


def private_elements(dataset: Dataset) -> None:
    for place in (dataset, dataset.PerFrameFunctionalGroupsSequence[1]):
        block = place.private_block(0x0021, "SOMEBODY", create=True)
        inner = Dataset()
        inner.CodeValue = "x"
        block.add_new(1, "SQ", [inner, Dataset()])
        block.add_new(2, "UN", b"\xfe\xff\x00\xe0" * 3)
        block.add_new(3, "OB", b"\0\1" * 5000)
    undefined_throughout(dataset)


def no_values_group(dataset: Dataset) -> None:
    del dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence


def no_label(dataset: Dataset) -> None:
    del dataset.AdmittingDiagnosesCodeSequence


def several_diagnoses(dataset: Dataset) -> None:
    other = Dataset()
    other.CodeValue, other.CodingSchemeDesignator = "G30.9", "I10"
    dataset.AdmittingDiagnosesCodeSequence.insert(0, other)
    dataset.AdmittingDiagnosesCodeSequence.append(Dataset())


def all_groups_own(dataset: Dataset) -> None:
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.update(dataset.SharedFunctionalGroupsSequence[0])
    del dataset.SharedFunctionalGroupsSequence


def own_over_shared(dataset: Dataset) -> None:
    values = Dataset()
    values.RescaleIntercept, values.RescaleSlope, values.RescaleType = -7.5, 3, "US"
    dataset.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence = [values]


def big_sequences(dataset: Dataset) -> None:
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.DerivationImageSequence = [Dataset() for _ in range(300)]
        for number, item in enumerate(frame.DerivationImageSequence):
            item.DerivationDescription = "d" * number


def signed_pixels(dataset: Dataset) -> None:
    dataset.PixelRepresentation = 1
    dataset.PixelData = np.arange(-12, 12, dtype="<i2").tobytes()


def few_signed_bits(dataset: Dataset) -> None:
    signed_pixels(dataset)
    dataset.BitsStored, dataset.HighBit = 12, 11


@pytest.mark.parametrize(
    "change",
    [
        undefined_sequences,
        undefined_items,
        undefined_throughout,
        private_elements,
        no_values_group,
        no_label,
        several_diagnoses,
        all_groups_own,
        own_over_shared,
        big_sequences,
        signed_pixels,
        few_signed_bits,
    ],
)
def test_odd_but_plain_files_are_read_quickly_and_as_pydicom_reads_them(change: Callable[[Dataset], None]) -> None:
    data = changed(pet(), change)
    assert comparable(quick(data)) == comparable(by_pydicom(data))
    assert quick_identity(data) == identity_by_pydicom(data)


def empty_group(dataset: Dataset) -> None:
    dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence = []


def no_position(dataset: Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0].ImagePositionPatient


def flat_position(dataset: Dataset) -> None:
    dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0].ImagePositionPatient = [1, 2]


def no_frames(dataset: Dataset) -> None:
    dataset.PerFrameFunctionalGroupsSequence = []


def other_count(dataset: Dataset) -> None:
    dataset.NumberOfFrames = 5


def no_spacing(dataset: Dataset) -> None:
    del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence


def cut_pixels(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:-2]


@pytest.mark.parametrize(
    "change", [empty_group, no_position, flat_position, no_frames, other_count, no_spacing, cut_pixels]
)
def test_an_image_that_has_no_place_in_space_is_refused(change: Callable[[Dataset], None]) -> None:
    with pytest.raises(Unreadable, match="without an image that can be placed in space"):
        frames(changed(pet(), change))


def no_modality(dataset: Dataset) -> None:
    del dataset.Modality


def wordy_number(dataset: Dataset) -> None:
    dataset[0x00200011] = pydicom.DataElement(0x00200011, "LO", "first")


@pytest.mark.parametrize("change", [no_modality, wordy_number])
def test_a_file_that_does_not_say_its_series_is_refused(change: Callable[[Dataset], None]) -> None:
    with pytest.raises(Unreadable, match="do not say as DICOM which study and series"):
        identify(changed(pet(), change))


def partial_own_group(dataset: Dataset) -> None:
    values = Dataset()
    values.RescaleSlope = 3
    dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0].RescaleIntercept = 8
    dataset.PerFrameFunctionalGroupsSequence[1].PixelValueTransformationSequence = [values]


def patient_with_accents(dataset: Dataset) -> None:
    dataset.PatientID = "Zoë~1"


def wide_pixels(dataset: Dataset) -> None:
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 32, 32, 31
    dataset.PixelData = np.arange(24, dtype="<u4").tobytes()


def overlay_above_the_pixels(dataset: Dataset) -> None:
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelData = np.arange(4090, 4114, dtype="<u2").tobytes()


@pytest.mark.parametrize(
    ("change", "reader"),
    [
        (partial_own_group, quick),
        (wide_pixels, quick),
        (overlay_above_the_pixels, quick),
        (patient_with_accents, quick_identity),
    ],
)
def test_what_the_quick_reader_does_not_know_is_left_to_pydicom(
    change: Callable[[Dataset], None], reader: Callable[[bytes], object]
) -> None:
    data = changed(pet(), change)
    with pytest.raises(NotFollowed):
        reader(data)
    assert comparable(frames(data)) == comparable(by_pydicom(data))
    assert identify(data) == identity_by_pydicom(data)


def test_a_group_of_the_frames_own_replaces_the_shared_one_whole() -> None:
    assert [frame.intercept for frame in frames(changed(pet(), partial_own_group))] == [8, 0, 8, 8]


DAMAGED = [pet(), changed(pet(), undefined_throughout), single.pet_files(CONTEXT, PATIENT, scan())[0]]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(DAMAGED)))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(128, len(data) - 1))] = draw(
            st.sampled_from([0, 1, 0x40, 0x7F, 0xFE, 0xFF]) | st.integers(0, 255)
        )
    start = draw(st.integers(0, len(data)))
    return bytes(data[:start] + data[start + draw(st.sampled_from([0, 0, 1, 2, 8, 100, len(data)])) :])


def read(reader: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        found = reader(data)
        return comparable(found) if isinstance(found, list) else found
    except Unreadable:
        return "refused"


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_a_damaged_file_is_read_as_pydicom_reads_it_or_refused(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, about the damage
        assert read(frames, data) == read(by_pydicom, data)
        assert read(identify, data) == read(identity_by_pydicom, data)


def study_of(data: bytes) -> Study:
    assembly = Assembly()
    assembly.add(data)
    return assembly.study(UID)


@settings(max_examples=200, deadline=None)
@given(damaged())
def test_a_study_of_damaged_files_is_put_together_or_refused(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read(study_of, data)
    assert found == "refused" or all(np.isfinite(volume.affine).all() for volume in found.volumes.values())


@pytest.mark.parametrize("length", [0, 10, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
@pytest.mark.parametrize("element", [b"\x00\x52\x30\x92SQ\0\0", b"\x00\x52\x29\x92SQ\0\0"])
def test_lying_lengths_are_refused_and_nothing_past_the_end_is_read(element: bytes, length: int) -> None:
    data = pet()
    at = data.index(element) + len(element)
    with pytest.raises(Unreadable):
        frames(data[:at] + length.to_bytes(4, "little") + data[at + 4 :])


def test_sequences_nested_without_end_are_refused() -> None:
    data = pet()
    at = data.index(b"\x00\x52\x29\x92SQ\0\0")
    deeper = b"\x00\x52\x29\x92SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(Unreadable):
        frames(data[:at] + deeper * 20_000 + data[at:])
