from pathlib import Path

import numpy as np
import pytest

from nodes.phantoms.studio import Pictures, Studio
from nodes.phantoms.subjects import Label, Subject, draw

COLIN = Path("/usr/share/mricron/templates/aal.nii.gz")


@pytest.fixture(scope="session")
def studio() -> Studio:
    """The real templates; they come with the host's packages (mricron-data)."""
    if not COLIN.exists():
        pytest.skip("mricron-data is not installed")
    return Studio()


def person(label: Label = "ad", number: int = 1) -> Subject:
    return draw(number, label, np.random.SeedSequence((7, number)))


@pytest.fixture(scope="session")
def patient() -> Subject:
    return person()


@pytest.fixture(scope="session")
def pictures(studio: Studio, patient: Subject) -> Pictures:
    return studio.pictures(patient, "3T", ("mr", "pet"), np.random.SeedSequence(5))
