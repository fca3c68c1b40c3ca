import numpy as np
import numpy.typing as npt
import pytest

from nodes.phantoms.anatomy import GRID, HIPPOCAMPUS
from nodes.phantoms.classes import LABELS, Label
from nodes.phantoms.deformation import Deformation
from nodes.phantoms.disease import relative_change
from nodes.phantoms.studio import Pictures, Studio
from nodes.phantoms.subjects import Subject, draw

SUBJECTS = 24
Floats = npt.NDArray[np.float64]


def measured(studio: Studio, label: Label) -> Floats:
    """Relative change of hippocampal and ventricular volume of many subjects, measured on their deformed label maps."""
    people = [draw(number, label, np.random.SeedSequence((21, number))) for number in range(SUBJECTS)]
    return np.array([_volumes(studio, studio.deformation(person)) for person in people]) - 1


def _volumes(studio: Studio, deformation: Deformation) -> tuple[float, float]:
    """Volumes relative to the templates', in the subject's own space, corrected for the size of the head."""
    positions = deformation.positions(GRID)
    maps = (studio.anatomy.hippocampus, studio.anatomy.ventricles, studio.anatomy.brain)
    hippocampus, ventricles, brain = (GRID.sample(image, positions).sum() / image.sum() for image in maps)
    return float(hippocampus / brain), float(ventricles / brain)


@pytest.fixture(scope="module")
def changes(studio: Studio) -> dict[Label, Floats]:
    return {label: measured(studio, label) for label in LABELS}


@pytest.mark.parametrize(
    ("label", "low", "high"), [("control", -0.04, 0.04), ("mci", -0.165, -0.09), ("ad", -0.265, -0.185)]
)
def test_hippocampal_volume_falls_as_published(
    changes: dict[Label, Floats], label: Label, low: float, high: float
) -> None:
    assert low < changes[label][:, 0].mean() < high


def test_ventricles_grow_with_the_disease_by_up_to_a_half(changes: dict[Label, Floats]) -> None:
    control, mci, ad = (changes[label][:, 1].mean() for label in LABELS)
    assert abs(control) < 0.1
    assert control < mci < ad
    assert 0.15 < ad < 0.5


def test_neighbouring_classes_overlap_so_that_nobody_is_always_right(changes: dict[Label, Floats]) -> None:
    for healthier, sicker in (("control", "mci"), ("mci", "ad")):
        a, b = changes[healthier][:, 0], changes[sicker][:, 0]  # type: ignore[index]
        assert (b > a.mean() - 2 * a.std()).any()
        assert np.sqrt((a.var() + b.var()) / 2) > 0.3 * (a.mean() - b.mean())


@pytest.mark.parametrize(("loss", "gain"), [(0.0, 0.0), (0.12, 0.15), (0.23, 0.4), (-0.05, -0.1)])
def test_the_amplitude_gives_the_wanted_volume(studio: Studio, loss: float, gain: float) -> None:
    field = studio.disease.displacement(loss, gain)
    assert relative_change(studio.anatomy.hippocampus, field) == pytest.approx(-loss, abs=0.02)
    assert relative_change(studio.anatomy.ventricles, field) == pytest.approx(gain, abs=0.02)


def test_no_deformation_tears_or_folds_the_brain(studio: Studio, patient: Subject) -> None:
    positions = studio.deformation(patient).positions(GRID)
    rows = [np.gradient(component, *GRID.step) for component in positions]
    jacobian = np.linalg.det(np.moveaxis(np.array(rows), (0, 1), (-2, -1)))
    assert jacobian.min() > 0.3


def test_the_templates_are_where_anatomy_says(studio: Studio) -> None:
    assert len(HIPPOCAMPUS) == 2
    # AAL's hippocampi are drawn generously: 7.5 ml a side.
    assert 12 < studio.anatomy.hippocampus.sum() * GRID.voxel_ml < 18
    assert 12 < studio.anatomy.ventricles.sum() * GRID.voxel_ml < 30
    centre = GRID.positions()[:, studio.anatomy.ventricles > 0.5].mean(axis=1)
    assert np.abs(centre[2]) < 2  # the midline


def test_the_same_subject_looks_the_same_to_the_bit(studio: Studio, patient: Subject, pictures: Pictures) -> None:
    again = studio.pictures(patient, "3T", ("mr", "pet"), np.random.SeedSequence(5))
    assert pictures.mri is not None
    assert pictures.pet is not None
    assert again.mri is not None
    assert again.pet is not None
    np.testing.assert_array_equal(again.mri.stored, pictures.mri.stored)
    np.testing.assert_array_equal(again.pet.stored, pictures.pet.stored)


def test_taking_one_modality_alone_does_not_change_it(studio: Studio, patient: Subject, pictures: Pictures) -> None:
    alone = studio.pictures(patient, "3T", ("pet",), np.random.SeedSequence(5))
    assert alone.mri is None
    assert alone.pet is not None
    assert pictures.pet is not None
    np.testing.assert_array_equal(alone.pet.stored, pictures.pet.stored)


def test_older_scanners_give_noisier_air_and_fewer_slices(studio: Studio, patient: Subject) -> None:
    def air(scanner: str) -> tuple[float, int]:
        mri = studio.pictures(patient, scanner, ("mr",), np.random.SeedSequence(5)).mri
        assert mri is not None
        return float(mri.stored[-4:, :6, :6].mean()), len(mri.stored)

    (old_noise, old_slices), (new_noise, new_slices) = air("1.5T"), air("3T-modern")
    assert old_noise > 1.5 * new_noise
    assert old_slices < new_slices


def test_uptake_falls_in_temporo_parietal_cortex_and_nowhere_else(studio: Studio) -> None:
    means = {}
    for label in ("control", "ad"):
        ratios = []
        for number in range(SUBJECTS):
            person = draw(number, label, np.random.SeedSequence((22, number)))  # type: ignore[arg-type]
            pet = studio.pictures(person, "3T-modern", ("pet",), np.random.SeedSequence(5)).pet
            assert pet is not None
            positions = studio.deformation(person).positions(pet.grid)
            affected = GRID.sample(studio.anatomy.temporo_parietal * studio.anatomy.grey, positions)
            spared = GRID.sample((1 - studio.anatomy.temporo_parietal) * studio.anatomy.grey, positions)
            ratios.append(pet.stored[affected > 0.6].mean() / pet.stored[spared > 0.6].mean())
        means[label] = float(np.mean(ratios))
    assert 0.06 < 1 - means["ad"] / means["control"] < 0.22
