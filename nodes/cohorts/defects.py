"""Which studies of a cohort have a defect, and which: drawn from the seed, and told again as the truth."""

import numpy as np

from emulator.topology.resolved import Cohort, Site
from nodes.cohorts.keys import entropy
from nodes.defects import Defect
from nodes.dicom.uids import uid_of

_DICOM = {"mr": "MR", "pet": "PT"}
_FIRST, _LAST = 0.3, 0.7  # of the slices: where there is a head, whatever the defect


def drawn(cohort: Cohort, site: str, seed: int) -> dict[int, Defect]:
    """The studies that have a defect, by their subjects' numbers (from 1).

    Each kind has a stream of its own and takes what the kinds before it in the alphabet have left.
    """
    found: dict[int, Defect] = {}
    for kind, count in sorted(cohort.defects.items()):
        random = np.random.default_rng(entropy(seed, site, f"defect {kind}"))
        whole = [int(number) + 1 for number in random.permutation(cohort.studies) if int(number) + 1 not in found]
        for number in whole[:count]:
            modality = _DICOM[cohort.modalities[int(random.integers(len(cohort.modalities)))]]
            place = float(random.uniform(_FIRST, _LAST))
            found[number] = Defect(kind, uid_of(seed, site, number, "study"), modality, place)
    return found


def truth(site: Site, seed: int) -> tuple[Defect, ...]:
    """What is wrong with a site's studies on purpose, in the order of their patients' numbers."""
    return tuple(defect for _, defect in sorted(drawn(site.cohort, site.name, seed).items()))
