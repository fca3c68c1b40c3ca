"""Small images of every kind that `import` takes, made here."""

import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from nodes.dicom import labels
from nodes.imports.importing import Outcome, run
from nodes.imports.store import Store
from nodes.phantoms.classes import Label


def dicom(path: Path, number: int, study: str = "1.2.3", label: Label | None = None, **changed: str) -> Path:
    """An MR slice of 8 × 8 pixels."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = MRImageStorage, f"{study}.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = study, f"{study}.0.1"
    made.PatientID, made.Modality, made.StudyDate = f"P{study}", "MR", "20200102"
    made.Rows = made.Columns = 8
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    made.PixelData = np.full((8, 8), number, "<u2").tobytes()
    if label:
        labels.write(made, label)
    for keyword, value in changed.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = MRImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def nifti(path: Path, values: npt.NDArray[np.generic], affine: npt.NDArray[np.float64] | None = None) -> Path:
    """A NIfTI file whose header says where it lies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(values, np.diag([-2.0, 3.0, 4.0, 1.0]) if affine is None else affine)
    image.set_sform(image.affine, 1)
    nibabel.save(image, path)
    return path


def pictures(folder: Path, labels: bytes, name: str = "train") -> Path:
    """A set of idx files with one picture of 4 × 6 pixels a label, gzipped as Debian's are."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(len(labels) * 24, dtype="<u4").astype(np.uint8).tobytes()
    images = struct.pack(">IIII", 0x803, len(labels), 4, 6) + pixels
    (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(struct.pack(">II", 0x801, len(labels)) + labels)
    )
    return folder


def imported(path: Path, cohort: Path) -> Outcome:
    return run(path, cohort, lambda *_: None)


def reasons(cohort: Path) -> dict[str, str]:
    """Why each file was left out, by its name without folders."""
    with Store(cohort) as store:
        return {name.rsplit("/", 1)[-1]: why for name, why in store.left_out()}
