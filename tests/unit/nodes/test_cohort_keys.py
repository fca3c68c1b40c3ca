import dataclasses

import pytest

from emulator.topology.resolved import Cohort
from nodes.cohorts import scanners
from nodes.cohorts.keys import entropy, key
from nodes.cohorts.oven import subjects
from nodes.errors import UnknownName

COHORT = Cohort("phantom", 12, {"control": 6, "mci": 4, "ad": 2}, "3T", ("mr", "pet"), "single-frame")


def test_the_same_cohort_has_the_same_key() -> None:
    turned = dataclasses.replace(COHORT, classes={"ad": 2, "mci": 4, "control": 6}, modalities=("pet", "mr"))
    assert key(COHORT, "lyon", 7, "orthanc") == key(turned, "lyon", 7, "orthanc")


@pytest.mark.parametrize(
    "change",
    [
        {"studies": 13},
        {"classes": {"control": 5, "mci": 5, "ad": 2}},
        {"scanner": "1.5T"},
        {"modalities": ("mr",)},
        {"storage": "multi-frame"},
    ],
)
def test_whatever_changes_a_study_changes_the_key(change: dict[str, object]) -> None:
    other = dataclasses.replace(COHORT, **change)  # type: ignore[arg-type]
    assert key(other, "lyon", 7, "orthanc") != key(COHORT, "lyon", 7, "orthanc")


def test_site_seed_and_flavour_are_part_of_the_key() -> None:
    keys = {key(COHORT, site, seed, flavour) for site in "ab" for seed in (1, 2) for flavour in ("x", "y")}
    assert len(keys) == 8


def test_purposes_and_sites_have_seeds_of_their_own() -> None:
    drawn = {tuple(entropy(7, site, purpose)) for site in ("lyon", "nice") for purpose in ("a", "b")}
    assert len(drawn) == 4


def test_a_cohort_holds_the_classes_that_were_asked_for_in_a_mixed_order() -> None:
    people = list(subjects(COHORT, "lyon", 7))
    labels = [person.label for person in people]
    assert {label: labels.count(label) for label in set(labels)} == COHORT.classes
    assert labels != sorted(labels, key=["control", "mci", "ad"].index)
    assert [person.number for person in people] == list(range(1, 13))


def test_the_same_seed_draws_the_same_people_and_another_site_others() -> None:
    def measures(site: str) -> list[tuple[float, float]]:
        return [(person.hippocampal_loss, person.weight_kg) for person in subjects(COHORT, site, 7)]

    assert measures("lyon") == measures("lyon")
    assert measures("lyon") != measures("nice")


def test_the_three_generations_of_scanners_exist_and_others_do_not() -> None:
    assert scanners.names() == {"1.5T", "3T", "3T-modern"}
    with pytest.raises(UnknownName, match="7T"):
        scanners.get("7T")


def test_older_scanners_have_thicker_slices_and_more_noise() -> None:
    old, new = scanners.get("1.5T"), scanners.get("3T-modern")
    assert old.mri.slice_mm > new.mri.slice_mm
    assert old.mri.noise > new.mri.noise
    assert old.pet.resolution_mm > new.pet.resolution_mm
