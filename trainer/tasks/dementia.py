"""Controls, mild cognitive impairment and Alzheimer's disease, told apart from T1-weighted MRI and FDG-PET."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from nodes.curation import Policy, curated
from nodes.endpoints import Endpoint
from nodes.fetched import Fetched
from nodes.pull import Client, Store, Study
from trainer.atlas import Array, Box, load
from trainer.tasks.registry import Sample, Source, tasks

if TYPE_CHECKING:
    from torch import nn

    from nodes.deidentification.pulled import Pseudonyms

CLASSES = ("control", "mci", "ad")
MODALITIES = ("MR", "PT")
BOX = Box(shape=(32, 40, 32), corner=(-69.75, -70.0, -57.0), step_mm=4.5)
"""The brain, and little beside it: 144 × 180 × 144 mm of MNI space. Phantoms lie in it; real images must be
registered to it.
"""

_LIMIT = 5.0  # standard deviations; beyond lie vessels and artefacts


@tasks.register("dementia")
class Dementia:
    """Three classes from two volumes, each the difference from an average brain; what a study lacks is 0
    everywhere.
    """

    classes: tuple[str, ...] = CLASSES
    view = "dementia-1"
    shape: tuple[int, int, int, int] = (len(MODALITIES), *BOX.shape)

    def source(self, endpoint: Endpoint, folder: Path, curation: Policy | None, secret: str) -> Source:
        """The studies of a PACS."""
        return Pseudonymous(endpoint, folder, curation, secret) if secret else Pacs(endpoint, folder, curation)

    def prepare(self, study: Study) -> Sample:
        """A study as its difference from the average brain."""
        return prepare(study)

    def warm(self) -> None:
        """The atlas on the grid."""
        load(BOX)

    def network(self) -> "nn.Module":
        """A light 3-D CNN of 50,179 parameters."""
        from trainer.cnn import LightCNN  # torch: not needed to list tasks or to prepare samples

        return LightCNN(self.shape, len(CLASSES))


class Pacs:
    """A site's PACS as a source of samples."""

    def __init__(
        self, endpoint: Endpoint, folder: Path, curation: Policy | None, lens: "Pseudonyms | None" = None
    ) -> None:
        self._client = Client(endpoint, Store(folder), lens=lens)
        self._curation = curation
        self.odd: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def studies(self) -> list[str]:
        """All studies; the list's own bytes are counted on the wire only."""
        found, self.odd = self._client.studies(), self._client.odd
        return found

    def fetch(self, uid: str) -> tuple[Sample | None, Fetched]:
        """One study, pulled and prepared; of its files nothing stays."""
        study: Study | None
        if self._curation is None:
            study, fetched = self._client.study(uid)
        else:
            study, fetched = curated(self._client, uid, self._curation)
        sample = None if study is None else prepare(study)
        self._client.forget(uid)
        return sample, fetched


class Pseudonymous:
    """The same under new UIDs, without whom the studies are of: what is learnt from, and all that is told of them."""

    def __init__(self, endpoint: Endpoint, folder: Path, curation: Policy | None, secret: str) -> None:
        from nodes.deidentification.pulled import Pseudonyms  # 0.3 s: the profile's table

        self._names = Pseudonyms(secret.encode())
        self._pacs = Pacs(endpoint, folder, curation, self._names)
        self.odd: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        self._pacs.__exit__(*what)

    def studies(self) -> list[str]:
        """All studies, by their new UIDs."""
        with self._names.speaking():
            found = self._names.listed(self._pacs.studies())
        self.odd = [self._names.text(one) for one in self._pacs.odd]
        return found

    def fetch(self, uid: str) -> tuple[Sample | None, Fetched]:
        """One study."""
        if uid not in self._names:
            self.studies()  # of an earlier connection
        with self._names.speaking():
            sample, fetched = self._pacs.fetch(self._names.old(uid))
        return sample, self._names.fetched(fetched)


def prepare(study: Study) -> Sample:
    """A study as its difference from the average brain, on the atlas's grid."""
    atlas = load(BOX)
    averages = {"MR": atlas.t1, "PT": atlas.fdg}
    values = np.zeros((len(MODALITIES), *BOX.shape), dtype=np.float16)
    for channel, modality in enumerate(MODALITIES):
        if modality in study.volumes:
            volume = study.volumes[modality]
            found = _normalised(BOX.resample(volume.values, volume.affine), atlas.brain)
            values[channel] = (found - _normalised(averages[modality], atlas.brain)) * atlas.brain
    return Sample(values, CLASSES.index(study.label))


def _normalised(values: Array, brain: npt.NDArray[np.bool_]) -> Array:
    """Mean 0 and standard deviation 1 over the brain: scanners differ in scale and contrast."""
    inside = values[brain]
    normalised: Array = (values - inside.mean()) / max(float(inside.std()), 1e-6)
    return np.clip(normalised, -_LIMIT, _LIMIT)
