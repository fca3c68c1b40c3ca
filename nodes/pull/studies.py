"""From the files of a study, in any order, to its volumes and its label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nodes.dicom import labels
from nodes.errors import Unreadable
from nodes.phantoms.classes import Label
from nodes.pull.elements import Data
from nodes.pull.frames import Frame, frames
from nodes.pull.identity import Identity, identify

Matrix: TypeAlias = npt.NDArray[np.float64]

_UNEVEN = 0.05  # of the distance between slices: more is a missing slice, or two volumes in one series


@dataclass(frozen=True)
class Volume:
    """A 3-D image: `values` float32, indexed (z, y, x), in the image's own quantity (rescale applied: SUV for PET).

    `affine` (4 × 4) maps an index written (x, y, z, 1) to DICOM's patient coordinates LPS in millimetres:
    `affine @ [x, y, z, 1] = [left, posterior, superior, 1]` of the centre of `values[z, y, x]`.
    """

    values: npt.NDArray[np.float32]
    affine: Matrix


@dataclass(frozen=True)
class Study:
    """A study: `volumes` by DICOM modality ("MR", "PT").

    Of several series of one modality, the lowest Series Number counts.
    """

    uid: str
    patient_id: str
    label: Label
    volumes: Mapping[str, Volume]


@dataclass
class Assembly:
    """A study that is being put together file by file; only its pixels are kept."""

    _frames: dict[str, list[Frame]] = field(default_factory=dict)
    _identities: dict[str, Identity] = field(default_factory=dict)

    def add(self, data: Data) -> None:
        """Take one DICOM file, which must stay as it is until the study is made; raises Unreadable."""
        found = frames(data)
        series = found[0].series
        if series not in self._identities:
            self._identities[series] = identify(data)
        self._frames.setdefault(series, []).extend(found)

    def study(self, uid: str) -> Study:
        """The study, once all files are there; raises Unreadable where it is none, or not the one called `uid`."""
        if not self._identities:
            raise Unreadable(f"study {uid}: the PACS sent no image")
        ordered = sorted(self._identities.items(), key=lambda item: (item[1].number, item[0]), reverse=True)
        first = ordered[-1][1]
        for identity in self._identities.values():
            if identity.study != uid:
                raise Unreadable(f"study {uid}: the PACS sent a file of study {identity.study}")
        # The lowest number comes last, and so is the one that stays.
        volumes = {identity.modality: volume(self._frames[series]) for series, identity in ordered}
        return Study(uid, first.patient, labels.read(first.codes, uid), volumes)


def volume(frames: Sequence[Frame]) -> Volume:
    """Stack frames by their positions along the normal; raises Unreadable where they do not make one even stack."""
    first = frames[0]
    if len({(frame.orientation, frame.spacing, frame.stored.shape) for frame in frames}) > 1:
        raise Unreadable(f"series {first.series}: its slices differ in orientation, spacing or size")
    across, down = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    if min(first.spacing) <= 0 or not 0.99 < np.linalg.norm(np.cross(across, down)) < 1.01:
        raise Unreadable(f"series {first.series}: spacing {first.spacing} and orientation {first.orientation} are none")
    along = np.array([frame.position for frame in frames]) @ np.cross(across, down)
    order = np.argsort(along, kind="stable")
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = across * first.spacing[1], down * first.spacing[0]
    affine[:3, 2] = _step(frames, order, along)
    affine[:3, 3] = frames[order[0]].position
    values = _values([frames[index] for index in order])
    if not np.isfinite(values.sum(dtype=np.float64)):
        raise Unreadable(f"series {first.series}: some of its values are no numbers")
    return Volume(values, affine)


def _values(ordered: Sequence[Frame]) -> npt.NDArray[np.float32]:
    """The image's own quantity. Converted plane by plane, scaled in one go: half the time of both at once."""
    values = np.empty((len(ordered), *ordered[0].stored.shape), np.float32)
    for place, frame in enumerate(ordered):
        values[place] = frame.stored
    values *= np.array([frame.slope for frame in ordered], np.float32)[:, None, None]
    if any(frame.intercept for frame in ordered):
        values += np.array([frame.intercept for frame in ordered], np.float32)[:, None, None]
    return values


def _step(frames: Sequence[Frame], order: npt.NDArray[np.intp], along: npt.NDArray[np.float64]) -> Matrix:
    """From one slice to the next, mm."""
    first, last = frames[order[0]], frames[order[-1]]
    if len(frames) == 1:
        return np.cross(first.orientation[:3], first.orientation[3:])
    gaps = np.diff(along[order])
    middle = float(np.median(gaps))
    if middle <= 0 or np.abs(gaps - middle).max() > _UNEVEN * middle:
        worst = float(gaps[int(np.argmax(np.abs(gaps - middle)))])
        raise Unreadable(
            f"series {first.series}: {len(frames)} slices, most {middle:.2f} mm apart, but two of them {worst:.2f} mm; "
            "a slice is missing or there twice"
        )
    step: Matrix = (np.array(last.position) - np.array(first.position)) / (len(frames) - 1)
    return step
