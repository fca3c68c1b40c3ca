"""NIfTI volumes as DICOM, one file a slice: MR Image Storage or PET Image Storage (PS3.3, A.4 and A.21).

NIfTI's world is RAS, DICOM's LPS; both in millimetres. Nothing is resampled: every voxel stays where it is.
"""

import logging
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage, PositronEmissionTomographyImageStorage

from nodes.dicom.encoding import Element, element, files
from nodes.imports.converted import Series, identifier, own_name
from nodes.imports.findings import Instance, LeftOut, Source

Matrix = npt.NDArray[np.float64]

_TO_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
_MOST_VOXELS: Final = 1 << 28
_LARGEST: Final = 32767
_REFUSALS: Final = (OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, zlib.error)
"""What nibabel and numpy raise at damaged files: found by damaging them."""
_NO_DAY: Final = "19000101"
_SHEAR: Final = 1e-3  # DICOM's rows and columns are at right angles
_WHOLE_KINDS: Final = {"uint8": "<u2", "int8": "<i2", "int16": "<i2", "uint16": "<u2"}
_PET: Final = re.compile(r"(^|[^a-z])(pet|fdg|av45|pib)([^a-z]|$)")
_SESSION: Final = re.compile(r"ses-[A-Za-z0-9]+")
_BIDS_SUBJECT: Final = re.compile(r"sub-[A-Za-z0-9]+")
_ADNI_SUBJECT: Final = re.compile(r"\d{3}_S_\d{4,5}")
_ADNI_IMAGE: Final = re.compile(r"(?:^|_)I(\d{3,})$")
_ADNI_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})_\d{2}_\d{2}_\d{2}(?:\.\d)?")


def is_nifti(name: str) -> bool:
    """Whether a file is called as NIfTI files are."""
    return name.casefold().endswith((".nii", ".nii.gz"))


@dataclass(frozen=True)
class Volume:
    """A volume ready to be written: `stored` (k, j, i) of 16 bits, `affine` from (i, j, k) to LPS millimetres; the
    quantity is `stored × slope + intercept`.
    """

    stored: npt.NDArray[Any]
    slope: float
    intercept: float
    affine: Matrix


def convert(source: Source, dataset: str, content: str) -> Iterator[tuple[Instance, bytes]]:
    """Every slice of a NIfTI file, whose SHA-256 is `content`, as a DICOM file. Raises LeftOut."""
    found = read(source.path)
    series, number = _identified(source.place, dataset, content)
    if series.modality == "PT" and found.intercept:
        raise LeftOut("a PET whose values have an offset (scl_inter); DICOM's have none")
    slices = list(_slices(series, found))
    made = files(_shared(series, found), (own for _, own in slices))
    for (sop, _), content_of_one in zip(slices, made, strict=True):
        yield series.instance(sop, image=number), content_of_one


def _identified(place: PurePosixPath, dataset: str, content: str) -> tuple[Series, str]:
    """Whose it is: from names as BIDS and ADNI give them, else each file is a patient of its own. And ADNI's number of
    the image.
    """
    parts = [*place.parts[:-1], _stem(place.name)]
    path = "/".join(parts)
    adni = next((found for part in parts if (found := _ADNI_SUBJECT.search(part))), None)
    bids = next((found for part in parts if (found := _BIDS_SUBJECT.match(part))), None)
    day = next(("".join(found.groups()) for part in parts if (found := _ADNI_DAY.fullmatch(part))), "")
    number = next((found[1] for part in reversed(parts) if (found := _ADNI_IMAGE.search(part))), "")
    modality = "PT" if _PET.search("/".join(parts[-3:]).casefold()) else "MR"
    session = _SESSION.search(path)
    subject = ""
    if adni:
        dataset = "ADNI"  # whose subjects are numbered once, wherever their files lie
        patient, visit = adni[0], day or number
    elif bids:
        patient, visit = identifier(bids[0]), session[0] if session else ""
    else:
        patient, visit, subject = own_name(place.parent, parts[-1]), identifier(path), identifier(parts[-1])
    return Series(dataset, patient, visit, day, modality, identifier(parts[-1]), content, subject), number


def _stem(name: str) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", name, flags=re.IGNORECASE)


def read(path: Path) -> Volume:
    """A volume from a file. Its header is judged before anything of its size is made. Raises LeftOut."""
    import nibabel  # 0.2 s: only those who import pay it
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    logging.getLogger("nibabel.global").setLevel(
        logging.CRITICAL
    )  # it prints what it mends; our list says what it can't
    try:
        opened = nibabel.load(path)
        _judge(opened)
        return _volume(opened)
    except (ImageFileError, HeaderDataError, *_REFUSALS) as error:
        raise LeftOut(f"no NIfTI that can be read ({str(error)[:200]})") from error


def _judge(opened: Any) -> None:
    shape = opened.shape
    if len(shape) < 3 or any(more != 1 for more in shape[3:]):
        raise LeftOut(f"of shape {' × '.join(map(str, shape))}; a volume has three dimensions, and no more")
    voxels = int(np.prod(shape, dtype=np.float64))
    if not 0 < voxels <= _MOST_VOXELS:
        raise LeftOut(f"{voxels:,} voxels; from 1 to {_MOST_VOXELS:,} are imported")
    kind = opened.get_data_dtype()
    if kind.kind not in "iuf":
        raise LeftOut(f"voxels of type {kind}; numbers are expected")
    if not (opened.header["sform_code"] or opened.header["qform_code"]):
        raise LeftOut("it does not say where its voxels lie (neither sform nor qform)")


def _volume(opened: Any) -> Volume:
    affine = _TO_LPS @ np.diag([*[_millimetres(opened)] * 3, 1.0]) @ opened.affine
    across, down = (affine[:3, axis] / np.linalg.norm(affine[:3, axis]) for axis in (0, 1))
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise LeftOut("its affine maps voxels onto a plane")
    if abs(across @ down) > _SHEAR:
        raise LeftOut("its rows and columns are not at right angles, which DICOM has no words for; resample it first")
    stored, slope, intercept = _stored(opened)
    if stored.ndim > 3:
        stored = stored.reshape(stored.shape[:3])
    return Volume(np.ascontiguousarray(stored.transpose(2, 1, 0)), slope, intercept, affine)


def _millimetres(opened: Any) -> float:
    return {"meter": 1000.0, "micron": 0.001}.get(opened.header.get_xyzt_units()[0], 1.0)


def _stored(opened: Any) -> tuple[npt.NDArray[Any], float, float]:
    """16-bit values as they are where the file has such; else the nearest of 65,535 steps around 0. What is no number
    becomes 0: software writes NaN outside of the head.
    """
    kind = _WHOLE_KINDS.get(opened.get_data_dtype().name)
    if kind:
        raw = np.asanyarray(opened.dataobj.get_unscaled()).astype(kind)
        return raw, float(opened.dataobj.slope), float(opened.dataobj.inter)
    values = np.nan_to_num(np.asarray(opened.dataobj, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    slope = float(np.abs(values).max()) / _LARGEST or 1.0
    return np.rint(values / slope).astype("<i2"), slope, 0.0


def _shared(series: Series, found: Volume) -> Dataset:
    """All that the slices share."""
    pet = series.modality == "PT"
    dataset = series.dataset_of(str(PositronEmissionTomographyImageStorage if pet else MRImageStorage), 2 if pet else 1)
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = series.uid("frame"), ""
    _, rows, columns = found.stored.shape
    across, down, through = (found.affine[:3, axis] for axis in range(3))
    steps = [float(np.linalg.norm(axis)) for axis in (across, down)]
    dataset.ImageOrientationPatient = [_ds(part) for part in (*across / steps[0], *down / steps[1])]
    dataset.PixelSpacing = [_ds(steps[1]), _ds(steps[0])]
    normal = np.cross(across / steps[0], down / steps[1])
    dataset.SliceThickness = _ds(abs(float(normal @ through)))
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(found.stored.dtype.kind == "i")
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = _ds(found.intercept), _ds(found.slope), "US"
    dataset.AcquisitionDate, dataset.AcquisitionTime = series.day, ""
    (_describe_pet if pet else _describe_mr)(dataset, len(found.stored))
    return dataset


def _describe_mr(dataset: Dataset, _slices: int) -> None:
    """The MR Image module; how it was taken, a NIfTI file does not say."""
    dataset.ImageType, dataset.PatientPosition = ["DERIVED", "SECONDARY", "OTHER"], ""
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "RM", "NONE", ""
    dataset.MRAcquisitionType = dataset.EchoTrainLength = ""
    dataset.RepetitionTime = dataset.EchoTime = None


def _describe_pet(dataset: Dataset, slices: int) -> None:
    """The PET modules. Nothing tells the unit, so none is told; a date must be there, so where none is known it is one
    that no PET can have.
    """
    del dataset.RescaleType
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.PatientOrientationCodeSequence = []
    dataset.PatientGantryRelationshipCodeSequence = []
    dataset.SeriesType, dataset.NumberOfSlices = ["STATIC", "IMAGE"], slices
    dataset.Units, dataset.CountsSource, dataset.DecayCorrection = "NONE", "EMISSION", "NONE"
    dataset.CorrectedImage = dataset.CollimatorType = ""
    dataset.FrameReferenceTime = dataset.ActualFrameDuration = 0
    dataset.RadiopharmaceuticalInformationSequence = []
    dataset.SeriesDate, dataset.SeriesTime = dataset.StudyDate or _NO_DAY, "000000"


def _slices(series: Series, found: Volume) -> Iterator[tuple[str, list[Element]]]:
    """What each slice has for itself, and its UID."""
    for number, plane in enumerate(found.stored, start=1):
        position = found.affine @ [0.0, 0.0, number - 1.0, 1.0]
        sop = series.uid(number)
        index = [element(0x00541330, "US", struct.pack("<H", number))] if series.modality == "PT" else []
        yield (
            sop,
            [
                element(0x00080018, "UI", sop),
                element(0x00200013, "IS", str(number)),
                element(0x00200032, "DS", "\\".join(_ds(part) for part in position[:3])),
                *index,
                element(0x7FE00010, "OW", plane.tobytes()),
            ],
        )


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5, 6.2)."""
    return f"{float(value):.10g}"
