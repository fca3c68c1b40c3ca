"""Which study of a cohort has which defect is drawn from the seed, and told again."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.topology.document import DefectsDocument
from emulator.topology.drawing import defects as counted
from emulator.topology.resolved import Cohort, Compute, Direction, Link, Pacs, Site
from nodes.cohorts import key_of, scanners
from nodes.cohorts.defects import drawn, truth
from nodes.curation import curate
from nodes.defects import Defect
from nodes.defects.spoiling import names, spoil
from nodes.dicom.archive import study_files
from nodes.dicom.study import Context
from nodes.errors import UnknownName
from nodes.phantoms.studio import Studio
from nodes.phantoms.subjects import Subject

COHORT = Cohort("phantom", 30, {"control": 30}, "3T", ("mr", "pet"), "single-frame")
LINK = Link("fibre", Direction(10**9, 0.001), Direction(10**9, 0.001))


def site(**defects: int) -> Site:
    told = {kind.replace("_", "-"): count for kind, count in defects.items()}
    cohort = replace(COHORT, defects=told)
    return Site(1, "lyon", "lyon", "namespace", LINK, Pacs("p", "orthanc"), cohort, Compute(0.03))


def test_a_topology_knows_the_kinds_that_can_be_made() -> None:
    fields = DefectsDocument.model_fields.values()
    assert tuple(sorted(str(field.alias) for field in fields)) == names()


def test_the_truth_is_as_many_of_each_kind_as_were_asked_for_and_no_study_twice() -> None:
    found = truth(site(missing_slice=3, burnt_in_text=2), 7)
    assert sorted(defect.kind for defect in found) == ["burnt-in-text"] * 2 + ["missing-slice"] * 3
    assert len({defect.study for defect in found}) == 5
    assert found == truth(site(missing_slice=3, burnt_in_text=2), 7)
    assert found != truth(site(missing_slice=3, burnt_in_text=2), 8)


def test_defects_are_part_of_the_key_and_their_absence_is_not() -> None:
    assert key_of(site(), 7) != key_of(site(missing_slice=3), 7) != key_of(site(missing_slice=4), 7)
    # What cohorts were kept under before there were defects: they are still found.
    assert key_of(site(), 7) == "a239837b26d5d4e5ffe894634e6b42d0"


@given(st.dictionaries(st.sampled_from(names()), st.floats(0.001, 0.11), max_size=9), st.integers(1, 400))
def test_each_kind_has_the_nearest_number_of_studies_one_at_least_and_all_have_room(
    shares: dict[str, float], studies: int
) -> None:
    counts = counted(shares, studies)
    assert sum(counts.values()) <= studies
    assert all(count >= 1 for count in counts.values())
    if sum(max(1, round(share * studies)) for share in shares.values()) <= studies:
        assert counts.keys() == shares.keys()
        assert all(abs(counts[kind] - share * studies) <= 1 for kind, share in shares.items())
    cohort = replace(COHORT, studies=studies, classes={"control": studies}, defects=counts)
    assert len(drawn(cohort, "lyon", 3)) == sum(counts.values())


@pytest.mark.parametrize("place", [0.3, 0.301, 0.302, 0.303])
def test_every_text_is_found_in_the_smallest_pictures(studio: Studio, patient: Subject, place: float) -> None:
    pictures = studio.pictures(patient, "1.5T", ("pet",), np.random.SeedSequence(5))
    files = study_files(Context("lyon", 7, scanners.get("1.5T")), patient, pictures, "multi-frame")
    assert curate(spoil(files, Defect("burnt-in-text", "1", "PT", place))).kinds == ("burnt-in-text",)


@given(st.floats(0, 1), st.integers(3, 500))
def test_the_slice_that_is_meant_is_never_one_at_an_end(place: float, count: int) -> None:
    assert 0 < Defect("missing-slice", "1", "MR", place).slice_of(count) < count - 1


def test_a_kind_that_does_not_exist_is_said() -> None:
    with pytest.raises(UnknownName, match="did you mean 'missing-slice'"):
        spoil([], Defect("missing-slices", "1", "MR", 0.5))
