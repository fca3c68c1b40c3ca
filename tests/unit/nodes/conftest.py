from pathlib import Path

import numpy as np
import pytest
from persons import person

from nodes.phantoms.studio import Pictures, Studio
from nodes.phantoms.subjects import Subject

COLIN = Path("/usr/share/mricron/templates/aal.nii.gz")


@pytest.fixture(scope="session")
def studio() -> Studio:
    """The real templates; they come with the host's packages (mricron-data)."""
    if not COLIN.exists():
        pytest.skip("mricron-data is not installed")
    return Studio()


@pytest.fixture(scope="session")
def patient() -> Subject:
    return person()


@pytest.fixture(scope="session")
def pictures(studio: Studio, patient: Subject) -> Pictures:
    return studio.pictures(patient, "3T", ("mr", "pet"), np.random.SeedSequence(5))
