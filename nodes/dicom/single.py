"""MR Image Storage and PET Image Storage (PS3.3, A.4 and A.21): one file a slice."""

import struct
from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage, PositronEmissionTomographyImageStorage

from nodes.dicom.acquisition import injection, lying_supine, mri_timing
from nodes.dicom.encoding import Element, element, files
from nodes.dicom.pixels import AXIAL, describe, positions
from nodes.dicom.study import Context, series, study
from nodes.phantoms.subjects import Subject
from nodes.phantoms.volumes import Scan


def mri_files(context: Context, subject: Subject, scan: Scan) -> list[bytes]:
    """The T1 series."""
    protocol = context.scanner.mri
    dataset = study(context, subject)
    series(dataset, context, subject, "MR", 1, "T1 3D")
    _slices(dataset, scan, bits=12)
    dataset.SOPClassUID = MRImageStorage
    dataset.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = ["GR", "IR"], "MP", ""
    dataset.MRAcquisitionType = "3D"
    mri_timing(dataset, protocol)
    dataset.EchoTrainLength = 1
    dataset.MagneticFieldStrength = protocol.field_tesla
    dataset.ImagedNucleus = "1H"
    return files(dataset, _own(context, subject, "MR", scan))


def pet_files(context: Context, subject: Subject, scan: Scan) -> list[bytes]:
    """The FDG series, in standardised uptake values."""
    dataset = study(context, subject)
    series(dataset, context, subject, "PT", 2, "FDG PET")
    _slices(dataset, scan, bits=16)
    dataset.SOPClassUID = PositronEmissionTomographyImageStorage
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.Units, dataset.SUVType, dataset.CountsSource = "GML", "BW", "EMISSION"
    dataset.SeriesType, dataset.NumberOfSlices = ["STATIC", "IMAGE"], len(scan.stored)
    dataset.CorrectedImage = ["DECY", "ATTN", "SCAT"]
    dataset.RandomsCorrectionMethod, dataset.DecayCorrection, dataset.DecayFactor = "NONE", "START", 1
    dataset.AttenuationCorrectionMethod = dataset.ScatterCorrectionMethod = "SIMULATED"
    dataset.ReconstructionMethod, dataset.CollimatorType = "SIMULATED", "NONE"
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, float(f"{scan.slope:.9g}")
    dataset.FrameReferenceTime, dataset.ActualFrameDuration = 300000, 600000
    injection(dataset, subject)
    lying_supine(dataset)
    numbered = _own(context, subject, "PT", scan, image_index=True)
    return files(dataset, numbered)


def _slices(dataset: Dataset, scan: Scan, bits: int) -> None:
    """The Image Plane and General Image modules, as far as slices share them."""
    describe(dataset, scan, bits)
    slice_mm, row_mm, column_mm = scan.grid.step
    dataset.ImageOrientationPatient = AXIAL
    dataset.PixelSpacing = [row_mm, column_mm]
    dataset.SliceThickness = dataset.SpacingBetweenSlices = slice_mm
    dataset.ContentDate = dataset.AcquisitionDate = dataset.StudyDate
    dataset.ContentTime = dataset.AcquisitionTime = dataset.StudyTime
    dataset.LossyImageCompression = "00"
    dataset.DerivationDescription = "Simulated from the MNI152 and Colin27 templates"


def _own(
    context: Context, subject: Subject, modality: str, scan: Scan, image_index: bool = False
) -> Iterator[list[Element]]:
    """What each slice has for itself, in the order of the tags."""
    pixels = scan.stored.astype("<u2", copy=False)
    for number, (position, plane) in enumerate(zip(positions(scan), pixels, strict=True), start=1):
        index = [element(0x00541330, "US", struct.pack("<H", number))] if image_index else []
        yield [
            element(0x00080018, "UI", context.uid(subject, modality, number)),
            element(0x00200013, "IS", str(number)),
            element(0x00200032, "DS", "\\".join(map(str, position))),
            element(0x00201041, "DS", str(position[2])),
            *index,
            element(0x7FE00010, "OW", plane.tobytes()),
        ]
