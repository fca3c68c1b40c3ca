"""Where a subject's pictures are taken."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from nodes.cohorts import scanners
from nodes.phantoms import anatomy, disease
from nodes.phantoms.deformation import Deformation
from nodes.phantoms.mri import MriCamera, SiteEffect
from nodes.phantoms.pet import PetCamera, PetEffect
from nodes.phantoms.subjects import Subject
from nodes.phantoms.volumes import Scan


@dataclass(frozen=True)
class Pictures:
    """The scans of one subject; a modality that the cohort lacks is None. Both lie in one frame of reference."""

    mri: Scan | None
    pet: Scan | None


class Studio:
    """The templates and the cameras; loading takes seconds, so make one and keep it."""

    def __init__(self) -> None:
        self.anatomy = anatomy.load()
        self.disease = disease.build(self.anatomy)
        self._mri = cache(lambda scanner: MriCamera(self.anatomy, scanners.get(scanner).mri))
        self._pet = cache(lambda scanner: PetCamera(self.anatomy, scanners.get(scanner).pet))

    def deformation(self, subject: Subject) -> Deformation:
        """The subject's anatomy; the same subject has the same one always."""
        change = self.disease.displacement(subject.hippocampal_loss, subject.ventricular_gain)
        return Deformation.draw(np.random.default_rng(_seeds(subject)[0]), change)

    def pictures(
        self, subject: Subject, scanner: str, modalities: tuple[str, ...], site: np.random.SeedSequence
    ) -> Pictures:
        """Take the subject's scans on a site's scanner. `site` seeds what the site's protocol does."""
        _, mri_seed, pet_seed = _seeds(subject)
        deformation = self.deformation(subject)
        mri = pet = None
        if "mr" in modalities:
            random = np.random.default_rng(mri_seed)
            mri = self._mri(scanner).image(deformation, subject.hippocampal_loss, SiteEffect.draw(site), random)
        if "pet" in modalities:
            random = np.random.default_rng(pet_seed)
            pet = self._pet(scanner).image(deformation, subject.hypometabolism, PetEffect.draw(site), random)
        return Pictures(mri, pet)


def _seeds(subject: Subject) -> list[np.random.SeedSequence]:
    """Anatomy, MRI and PET each have their own stream. (`spawn` would count on, and differ at the second call.)"""
    pattern = subject.pattern
    return [np.random.SeedSequence(pattern.entropy, spawn_key=(*pattern.spawn_key, i)) for i in range(3)]
