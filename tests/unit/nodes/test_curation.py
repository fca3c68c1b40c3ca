"""Curation finds what is wrong, and nothing where nothing is wrong."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.topology.resolved import Cohort, Compute, Direction, Link, Pacs, Site
from nodes.cohorts import scanners
from nodes.cohorts.defects import truth
from nodes.cohorts.oven import Order, studies
from nodes.curation import Finding, Findings, curate, judge
from nodes.curation.burnt_in_text import lettered
from nodes.curation.identifying_attributes import identifying_attributes
from nodes.curation.images import Image
from nodes.defects import Defect
from nodes.defects.spoiling import names, spoil, spoil_encoded
from nodes.dicom.archive import Storage, study_files
from nodes.dicom.dialects import spoken
from nodes.dicom.study import Context
from nodes.dicom.syntaxes import SYNTAXES
from nodes.pacs.habits import Writes
from nodes.phantoms.studio import Pictures, Studio
from nodes.phantoms.subjects import Subject

CONTEXT = Context("lyon", 7, scanners.get("3T"))
LINK = Link("fibre", Direction(10**9, 0.001), Direction(10**9, 0.001))


@pytest.fixture(scope="module", params=["single-frame", "multi-frame"])
def plain(request: pytest.FixtureRequest, patient: Subject, pictures: Pictures) -> list[bytes]:
    storage: Storage = request.param
    files = study_files(CONTEXT, patient, pictures, storage)
    return files if storage == "multi-frame" else files[16:40] + files[66:86]  # a part of each stack tells as much


def test_a_study_as_it_should_be_has_no_findings(plain: list[bytes], patient: Subject) -> None:
    assert curate(plain) == Findings(CONTEXT.uid(patient, "study"))


def test_files_on_disk_and_views_of_a_store_are_curated_alike(plain: list[bytes], tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.dcm" for number in range(len(plain))]
    for path, file in zip(paths, plain, strict=True):
        path.write_bytes(file)
    assert curate(paths) == curate(map(memoryview, plain)) == curate(plain)


@pytest.mark.parametrize(("kind", "modality"), [*zip(names(), ["MR", "PT"] * 9, strict=False)])
def test_each_defect_is_found_in_the_series_that_has_it_and_nothing_else_is(
    plain: list[bytes], kind: str, modality: str, patient: Subject
) -> None:
    defect = Defect(kind, CONTEXT.uid(patient, "study"), modality, 0.4)
    findings = curate(spoil_encoded(spoil(plain, defect), defect))
    assert findings.kinds == (kind,)
    assert findings.study == defect.study
    assert {finding.series for finding in findings.found} == {CONTEXT.uid(patient, modality)}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pixels_that_were_cut_are_found_in_every_transfer_syntax(
    syntax: str, patient: Subject, pictures: Pictures
) -> None:
    pet = study_files(CONTEXT, patient, pictures, "multi-frame")[1:]
    written = spoken(pet, Writes.model_validate({"syntax": syntax}))
    assert curate(written).kinds == ()
    assert curate(spoil_encoded(written, Defect("broken-pixels", "1", "PT", 0.4))).kinds == ("broken-pixels",)


def unzipped(archive: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        return [files.read(name) for name in files.namelist()]


def test_in_a_cohort_every_defect_is_found_where_the_truth_says_and_nowhere_else(studio: Studio) -> None:
    spoilt = dict.fromkeys(names(), 1)
    cohort = Cohort("phantom", 11, {"control": 6, "ad": 5}, "1.5T", ("pet",), "multi-frame", spoilt)
    pacs = Pacs("p", "orthanc", {"writes": {"syntax": "jpeg-ls", "charset": "ISO_IR 192", "private": True}})
    site = Site(1, "nice", "nice", "namespace", LINK, pacs, cohort, Compute(0.03))
    order = Order(site.name, pacs, cohort, "key", 11, Path("unused"))
    found = [curate(unzipped(archive)) for archive in studies(studio, order)]
    assert len({findings.study for findings in found}) == 11
    told = {(findings.study, kind) for findings in found for kind in findings.kinds}
    assert told == {(defect.study, defect.kind) for defect in truth(site, 11)}


def test_two_files_of_one_uid_are_one_finding_and_no_doubled_slice(plain: list[bytes]) -> None:
    assert curate(spoken(plain, Writes(doubled_uids=True))).kinds == ("doubled-uid",)


def test_a_file_that_lies_nowhere_in_space_is_found(patient: Subject, pictures: Pictures) -> None:
    (slice_, *_) = study_files(CONTEXT, patient, pictures, "single-frame")
    dataset = pydicom.dcmread(io.BytesIO(slice_))
    del dataset.ImagePositionPatient
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert curate([buffer.getvalue()]).kinds == ("no-geometry",)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_bytes_that_are_no_dicom_are_findings_and_never_crash(noise: list[bytes]) -> None:
    findings = curate([*noise, *(bytes(128) + b"DICM" + one for one in noise)])
    assert findings.study == ""
    assert "unreadable" in findings.kinds


def commented(text: str) -> Sequence[str]:
    return list(identifying_attributes(Image({"ImageComments": text, "PatientName": "ROE^JANE"}, [], "")))


@pytest.mark.parametrize(
    "text",
    [
        "call 01 99 00 12 34",
        "+44 20 7946 0958",
        "(202) 555-0143",
        "202-555-0143",
        "04.99.00.12.34 ok",
        "karl.meier@example.org",
        "rappeler Mme Dupont",
        "seen by Dr. Who",
        "Roe, Jane: claustrophobic",
        "jane roe",
    ],
)
def test_people_in_comments_are_found(text: str) -> None:
    assert len(commented(text)) == 1
    assert text not in commented(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        "PHANTOM - synthetic, not a patient",
        "T1 3D, TR 2300 TE 3.0 TI 900",
        "acquired 05/11/2023 09 h",
        "repeat of 20231105 101500",
        "2.25.283190176230311953155331131287443417104",
        "0.0123456789 scaled",
        "drained; mr flair",
        "Jane",
    ],
)
def test_what_names_nobody_is_left_alone(text: str) -> None:
    assert commented(text) == []


def test_noise_of_few_values_is_no_letters() -> None:
    random = np.random.default_rng(1)
    noise = np.hypot(random.normal(0, 24, (91, 74)), random.normal(0, 24, (91, 74))).astype(np.uint16)
    assert not lettered(noise)
    noise[2:7:2, 2:30] = 100
    assert lettered(noise)


def test_a_bright_patch_and_a_few_bright_pixels_are_no_letters() -> None:
    plane = np.random.default_rng(1).integers(0, 300, (64, 64)).astype(np.uint16)
    plane[20:40, 20:40] = 1000
    plane[5, 5:15] = 1000
    assert not lettered(plane)


FOUND = Findings("1.2", (Finding("missing-slice", "1.3", "", "gap"), Finding("missing-slice", "1.4", "", "gap")))


def test_the_policy_decides_what_becomes_of_a_study_and_says_why() -> None:
    assert judge("drop", Findings("1.2")).fate == judge("stop", Findings("1.2")).fate == "kept"
    assert [judge(policy, FOUND).fate for policy in ("keep", "drop", "stop")] == ["kept", "dropped", "stop"]  # type: ignore[arg-type]
    assert judge("keep", FOUND).why == "missing-slice: gap (and 1 more)"
    assert judge("keep", FOUND, "no even stack").fate == "dropped"
