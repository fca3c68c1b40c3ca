"""Texts that the profile's table does not name. Somebody may have typed anything into them, so only these pass."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement

_WORDS: Final = frozenset(("AE", "AS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"))
"""VRs whose values people, places or days can be told in."""

KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "codes, which say what was looked at, and are none without their scheme and meaning": (
        "CodeValue",
        "ExtendedCodeValue",
        "LongCodeValue",
        "URNCodeValue",
        "CodeMeaning",
        "CodingSchemeDesignator",
        "CodingSchemeVersion",
        "CodingSchemeRegistry",
        "CodingSchemeName",
        "CodingSchemeURL",
        "CodingSchemeExternalID",
        "MappingResourceName",
    ),
    "what the image was made with: types of machines and programs, which decide how it looks": (
        "Manufacturer",
        "ManufacturerModelName",
        "ManufacturerRelatedModelGroup",
        "SoftwareVersions",
        "SecondaryCaptureDeviceManufacturer",
        "SecondaryCaptureDeviceManufacturerModelName",
        "SecondaryCaptureDeviceSoftwareVersions",
        "DetectorManufacturerName",
        "DetectorManufacturerModelName",
        "ReceiveCoilName",
        "ReceiveCoilManufacturerName",
        "MultiCoilElementName",
        "MultiCoilConfiguration",
        "TransmitCoilName",
        "TransmitCoilManufacturerName",
        "CollimatorGridName",
        "FilterType",
        "ApplicationName",
        "ApplicationVersion",
        "ApplicationManufacturer",
        "AlgorithmName",
        "AlgorithmVersion",
        "SegmentAlgorithmName",
    ),
    "how it was taken and computed: set by the machine": (
        "SequenceName",
        "PulseSequenceName",
        "ImagedNucleus",
        "ApplicableSafetyStandardDescription",
        "Radiopharmaceutical",
        "RadiopharmaceuticalRoute",
        "ContrastBolusRoute",
        "InterventionDrugName",
        "TriggerSourceOrType",
        "CardiacFramingType",
        "PVCRejection",
        "ConvolutionKernel",
        "ImageFilter",
        "DetectorMode",
        "EnergyWindowName",
        "AttenuationCorrectionMethod",
        "ReconstructionMethod",
        "DetectorLinesOfResponseUsed",
        "ScatterCorrectionMethod",
    ),
    "what a pixel means, and where it lies": (
        "RescaleType",
        "WindowCenterWidthExplanation",
        "LUTExplanation",
        "ModalityLUTType",
        "LUTLabel",
        "PixelSpacingCalibrationDescription",
        "PositionReferenceIndicator",
        "StackID",
        "DimensionDescriptionLabel",
        "SegmentLabel",
    ),
}


def may_tell(element: DataElement) -> bool:
    """Whether an element that the table does not name may hold what somebody has typed. Numbers under a text's VR, as
    some archives write them, are numbers still."""
    if element.VR not in _WORDS or element.is_empty or element.tag in _kept():
        return False
    return dictionary_VR(element.tag) not in ("DS", "IS") or not _is_numbers(element)


@cache
def _kept() -> frozenset[int]:
    return frozenset(tag for keywords in KEPT.values() for tag in map(tag_for_keyword, keywords) if tag is not None)


def _is_numbers(element: DataElement) -> bool:
    try:
        for part in element.value if element.VM > 1 else str(element.value).split("\\"):
            float(part)
    except ValueError:
        return False
    return True
