"""A series that can be edited slice by slice, whether its slices are files or frames of one file."""

import copy
import io
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from nodes.dicom.syntaxes import encode
from nodes.dicom.uids import uid

Plane = npt.NDArray[np.uint16]

_GROUP_OF: Final = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
}


class Stack(Protocol):
    """The slices of one series, in their order in space."""

    def __len__(self) -> int: ...

    def drop(self, index: int) -> None:
        """Lose a slice."""

    def double(self, index: int) -> None:
        """Put a copy of a slice, under a UID of its own, behind it."""

    def get(self, index: int, keyword: str) -> Any:
        """A slice's position, orientation or spacing."""

    def put(self, index: int, keyword: str, value: Any) -> None:
        """Say another one."""

    def plane(self, index: int) -> Plane:
        """A slice's stored pixels, to be written to."""

    def headers(self) -> Sequence[Dataset]:
        """The datasets of all files."""

    def files(self) -> list[bytes]:
        """The series as it is now."""


def stack_of(files: Sequence[bytes]) -> Stack:
    """The files of one series, which are uncompressed, as a stack."""
    datasets = [pydicom.dcmread(io.BytesIO(file)) for file in files]
    return _Frames(datasets[0]) if "PerFrameFunctionalGroupsSequence" in datasets[0] else _Files(datasets)


class _Files:
    """One file a slice."""

    def __init__(self, datasets: list[FileDataset]) -> None:
        self._datasets = datasets
        self._planes = [dataset.pixel_array.copy() for dataset in datasets]

    def __len__(self) -> int:
        return len(self._datasets)

    def drop(self, index: int) -> None:
        del self._datasets[index], self._planes[index]

    def double(self, index: int) -> None:
        again = copy.deepcopy(self._datasets[index])
        again.SOPInstanceUID = uid(again.SOPInstanceUID, "again")
        again.file_meta.MediaStorageSOPInstanceUID = UID(again.SOPInstanceUID)
        self._datasets.insert(index + 1, again)
        self._planes.insert(index + 1, self._planes[index].copy())

    def get(self, index: int, keyword: str) -> Any:
        return self._datasets[index][keyword].value

    def put(self, index: int, keyword: str, value: Any) -> None:
        setattr(self._datasets[index], keyword, value)

    def plane(self, index: int) -> Plane:
        return self._planes[index]

    def headers(self) -> Sequence[Dataset]:
        return self._datasets

    def files(self) -> list[bytes]:
        for dataset, plane in zip(self._datasets, self._planes, strict=True):
            dataset.PixelData = plane.tobytes()
        return [encode(dataset, ExplicitVRLittleEndian) for dataset in self._datasets]


class _Frames:
    """One Enhanced file, one frame a slice. What is said of a frame stands in functional groups, its own or shared."""

    def __init__(self, dataset: FileDataset) -> None:
        self._dataset = dataset
        self._shared: Dataset = dataset.SharedFunctionalGroupsSequence[0]
        self._groups: list[Dataset] = list(dataset.PerFrameFunctionalGroupsSequence)
        self._planes: list[Plane] = list(dataset.pixel_array.copy())

    def __len__(self) -> int:
        return len(self._groups)

    def drop(self, index: int) -> None:
        del self._groups[index], self._planes[index]

    def double(self, index: int) -> None:
        self._groups.insert(index + 1, copy.deepcopy(self._groups[index]))
        self._planes.insert(index + 1, self._planes[index].copy())

    def get(self, index: int, keyword: str) -> Any:
        name, own = _GROUP_OF[keyword], self._groups[index]
        return (own if name in own else self._shared)[name][0][keyword].value

    def put(self, index: int, keyword: str, value: Any) -> None:
        name, own = _GROUP_OF[keyword], self._groups[index]
        if name not in own:
            setattr(own, name, copy.deepcopy(list(self._shared[name].value)))
        setattr(own[name][0], keyword, value)

    def plane(self, index: int) -> Plane:
        return self._planes[index]

    def headers(self) -> Sequence[Dataset]:
        return [self._dataset]

    def files(self) -> list[bytes]:
        self._dataset.PerFrameFunctionalGroupsSequence = self._groups
        self._dataset.NumberOfFrames = len(self._groups)
        self._dataset.PixelData = np.stack(self._planes).tobytes()
        return [encode(self._dataset, ExplicitVRLittleEndian)]
