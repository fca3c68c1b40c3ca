"""Enhanced MR Image Storage and Enhanced PET Image Storage (PS3.3, A.36 and A.56): one file a series."""

from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, EnhancedPETImageStorage

from nodes.dicom.acquisition import injection
from nodes.dicom.encoding import element, files
from nodes.dicom.labels import code
from nodes.dicom.pixels import AXIAL, describe, positions
from nodes.dicom.study import Context, series, study
from nodes.phantoms.subjects import Subject
from nodes.phantoms.volumes import Scan

_STACK_ID, _IN_STACK = 0x00209056, 0x00209057
_FRAME_CONTENT = 0x00209111
_CORRECTED = ("Decay", "Attenuation", "Scatter")
_NOT_CORRECTED = (
    "DeadTime",
    "GantryMotion",
    "PatientMotion",
    "CountLossNormalization",
    "Randoms",
    "NonUniformRadialSampling",
)


def mri_files(context: Context, subject: Subject, scan: Scan) -> list[bytes]:
    """The T1 series as one multi-frame file."""
    dataset = _enhanced(context, subject, scan, "MR", "T1 3D", bits=12)
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.MagneticFieldStrength, dataset.ResonantNucleus = context.scanner.mri.field_tesla, "1H"
    dataset.ApplicableSafetyStandardAgency = "IEC"
    _frame_type(dataset, "MRImageFrameTypeSequence", "T1")
    for place in (dataset, dataset.SharedFunctionalGroupsSequence[0].MRImageFrameTypeSequence[0]):
        place.ComplexImageComponent, place.AcquisitionContrast = "MAGNITUDE", "T1"
    return _written(dataset, context, subject, scan)


def pet_files(context: Context, subject: Subject, scan: Scan) -> list[bytes]:
    """The FDG series as one multi-frame file, in standardised uptake values."""
    dataset = _enhanced(context, subject, scan, "PT", "FDG PET", bits=16)
    dataset.SOPClassUID = EnhancedPETImageStorage
    injection(dataset, subject, agent=1)
    _corrections(dataset)
    _frame_type(dataset, "PETFrameTypeSequence", "STATIC")
    units = Dataset()
    units.RealWorldValueFirstValueMapped, units.RealWorldValueLastValueMapped = 0, 65535
    units.RealWorldValueIntercept, units.RealWorldValueSlope = 0.0, scan.slope
    units.LUTExplanation, units.LUTLabel = "Standardized uptake value, body weight", "SUVbw"
    units.MeasurementUnitsCodeSequence = [code("g/ml{SUVbw}", "Standardized Uptake Value body weight", "UCUM")]
    used = Dataset()
    used.RadiopharmaceuticalAgentNumber = 1
    groups = dataset.SharedFunctionalGroupsSequence[0]
    groups.RealWorldValueMappingSequence, groups.RadiopharmaceuticalUsageSequence = [units], [used]
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.FrameContentSequence[0].TemporalPositionIndex = 1
    return _written(dataset, context, subject, scan)


def _corrections(dataset: Dataset) -> None:
    """What the simulated reconstruction accounts for (PS3.3, C.8.22.6)."""
    for what in _CORRECTED:
        setattr(dataset, f"{what}Corrected", "YES")
    for what in _NOT_CORRECTED:
        setattr(dataset, f"{what}Corrected", "NO")
    dataset.DetectorNormalizationCorrection, dataset.CountsSource = "NO", "EMISSION"
    dataset.SensitivityCalibrated, dataset.TimeOfFlightInformationUsed = "NO", "FALSE"
    dataset.AttenuationCorrectionSource, dataset.AttenuationCorrectionTemporalRelationship = "CT", "SIMULTANEOUS"
    dataset.ScatterCorrectionMethod = "SIMULATED"
    dataset.TableMotion, dataset.ViewCodeSequence = "STATIC", [code("62824007", "Transverse")]
    dataset.DecayCorrectionDateTime = dataset.AcquisitionDateTime


def _enhanced(context: Context, subject: Subject, scan: Scan, modality: str, what: str, bits: int) -> Dataset:
    """Everything but the SOP class, the frame type and the pixels."""
    dataset = study(context, subject)
    series(dataset, context, subject, modality, 1 if modality == "MR" else 2, what)
    describe(dataset, scan, bits)
    dataset.NumberOfFrames = len(scan.stored)
    dataset.InstanceNumber = 1
    dataset.ContentDate, dataset.ContentTime = dataset.StudyDate, dataset.StudyTime
    dataset.AcquisitionDateTime = f"{dataset.StudyDate}{dataset.StudyTime}"
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    dataset.AcquisitionContextSequence = []
    dataset.PresentationLUTShape, dataset.ContentQualification = "IDENTITY", "RESEARCH"
    _dimensions(dataset, context.uid(subject, modality, "dimensions"))
    dataset.SharedFunctionalGroupsSequence = [_shared(scan)]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame(number, position) for number, position in enumerate(positions(scan), start=1)
    ]
    return dataset


def _dimensions(dataset: Dataset, organization: str) -> None:
    """Frames are ordered by their place in the one stack."""
    organized, stack, place = Dataset(), Dataset(), Dataset()
    organized.DimensionOrganizationUID = organization
    for pointer, item in ((_STACK_ID, stack), (_IN_STACK, place)):
        item.DimensionOrganizationUID = organization
        item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, _FRAME_CONTENT
    dataset.DimensionOrganizationSequence = [organized]
    dataset.DimensionIndexSequence = [stack, place]
    dataset.DimensionOrganizationType = "3D"


def _shared(scan: Scan) -> Dataset:
    measures, orientation, anatomy, values = Dataset(), Dataset(), Dataset(), Dataset()
    slice_mm, row_mm, column_mm = scan.grid.step
    measures.PixelSpacing, measures.SliceThickness = [row_mm, column_mm], slice_mm
    measures.SpacingBetweenSlices = slice_mm
    orientation.ImageOrientationPatient = AXIAL
    anatomy.FrameLaterality, anatomy.AnatomicRegionSequence = "U", [code("12738006", "Brain")]
    values.RescaleIntercept, values.RescaleSlope = 0, float(f"{scan.slope:.9g}")
    values.RescaleType = "US"
    groups = Dataset()
    groups.PixelMeasuresSequence, groups.PlaneOrientationSequence = [measures], [orientation]
    groups.FrameAnatomySequence, groups.PixelValueTransformationSequence = [anatomy], [values]
    return groups


def _frame(number: int, position: tuple[float, float, float]) -> Dataset:
    content, plane, groups = Dataset(), Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", number, [1, number]
    plane.ImagePositionPatient = list(position)
    groups.FrameContentSequence, groups.PlanePositionSequence = [content], [plane]
    return groups


def _frame_type(dataset: Dataset, sequence: str, flavour: str) -> None:
    """Image Type of the whole, Frame Type of the frames (PS3.3, C.8.16), which are all alike."""
    frame = Dataset()
    dataset.ImageType = frame.FrameType = ["DERIVED", "PRIMARY", flavour, "NONE"]
    for place in (dataset, frame):
        place.PixelPresentation, place.VolumetricProperties = "MONOCHROME", "VOLUME"
        place.VolumeBasedCalculationTechnique = "NONE"
    setattr(dataset.SharedFunctionalGroupsSequence[0], sequence, [frame])


def _written(dataset: Dataset, context: Context, subject: Subject, scan: Scan) -> list[bytes]:
    instance = element(0x00080018, "UI", context.uid(subject, str(dataset.Modality), "frames"))
    pixels = element(0x7FE00010, "OW", scan.stored.astype("<u2", copy=False).tobytes())
    return files(dataset, [[instance, pixels]])
