"""How an image is said to have been taken: sequence timing and tracer."""

from pydicom.dataset import Dataset

from nodes.cohorts.scanners import Mri
from nodes.dicom.labels import code
from nodes.phantoms.subjects import Subject


def mri_timing(dataset: Dataset, protocol: Mri) -> None:
    """Add the sequence's times (milliseconds) and flip angle (degrees)."""
    dataset.RepetitionTime, dataset.EchoTime = protocol.repetition_ms, protocol.echo_ms
    dataset.InversionTime, dataset.FlipAngle = protocol.inversion_ms, protocol.flip_degrees


def injection(dataset: Dataset, subject: Subject, agent: int | None = None) -> None:
    """Add the PET Isotope module: 3 MBq/kg of fluorodeoxyglucose, an hour before.

    `agent` numbers it in Enhanced PET.
    """
    item = Dataset()
    item.RadiopharmaceuticalCodeSequence = [code("35321007", "Fluorodeoxyglucose F^18^")]
    item.RadionuclideCodeSequence = [code("77004003", "^18^Fluorine")]
    item.RadionuclideTotalDose = round(3e6 * subject.weight_kg)
    item.RadionuclideHalfLife, item.RadionuclidePositronFraction = 6586.2, 0.967
    hour = int(str(dataset.StudyTime)[:2]) - 1
    if agent is None:
        item.Radiopharmaceutical = "Fluorodeoxyglucose"
        item.RadiopharmaceuticalStartTime = f"{hour:02d}1500"
    else:
        item.RadiopharmaceuticalAgentNumber = agent
        item.AdministrationRouteCodeSequence = [code("47625008", "Intravenous route")]
        item.RadiopharmaceuticalStartDateTime = f"{dataset.StudyDate}{hour:02d}1500"
    dataset.RadiopharmaceuticalInformationSequence = [item]


def lying_supine(dataset: Dataset) -> None:
    """Add the NM/PET Patient Orientation module, which excludes Patient Position."""
    del dataset.PatientPosition
    lying, supine = code("102538003", "recumbent"), code("40199007", "supine")
    lying.PatientOrientationModifierCodeSequence = [supine]
    dataset.PatientOrientationCodeSequence = [lying]
    dataset.PatientGantryRelationshipCodeSequence = [code("102540008", "headfirst")]
