"""What all files of a phantom's study share: patient, study, equipment, frame of reference, label."""

import datetime as dt
from dataclasses import dataclass

from pydicom.dataset import Dataset

from nodes.cohorts.scanners import Scanner
from nodes.dicom import labels
from nodes.dicom.uids import uid_of
from nodes.phantoms.subjects import Subject

NOTICE = "PHANTOM - synthetic, not a patient"
_FIRST_DAY = dt.date(2021, 3, 1)


@dataclass(frozen=True)
class Context:
    """Where and in which world a study is made; with the subject's number this decides every UID."""

    site: str
    seed: int
    scanner: Scanner

    def uid(self, subject: Subject, *parts: str | int) -> str:
        """A UID of one of the subject's things."""
        return uid_of(self.seed, self.site, subject.number, *parts)


def study(context: Context, subject: Subject) -> Dataset:
    """The Patient, General Study, Patient Study, Frame of Reference and Equipment modules (PS3.3, C.7)."""
    number = f"{subject.number:04d}"
    day = _FIRST_DAY + dt.timedelta(days=subject.number // 4)
    time = f"{8 + 2 * (subject.number % 4):02d}1500"
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = f"PHANTOM^{context.site.upper()}^{number}"
    dataset.PatientID = f"PHANTOM-{context.site}-{number}"
    dataset.PatientBirthDate = f"{day.year - subject.age_years:04d}0101"
    dataset.PatientSex = subject.sex
    dataset.QualityControlSubject = "YES"
    dataset.PatientAge = f"{subject.age_years:03d}Y"
    dataset.PatientWeight = subject.weight_kg
    dataset.PatientComments = NOTICE
    labels.write(dataset, subject.label)
    dataset.StudyInstanceUID = context.uid(subject, "study")
    dataset.StudyDate, dataset.StudyTime = f"{day:%Y%m%d}", time
    dataset.AccessionNumber = f"P{number}"
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = number
    dataset.StudyDescription = f"{NOTICE}: dementia, T1 and FDG"
    dataset.FrameOfReferenceUID = context.uid(subject, "frame")
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer = "pacs-testbed"
    dataset.ManufacturerModelName = context.scanner.model
    dataset.DeviceSerialNumber = context.site
    dataset.SoftwareVersions = "1"
    dataset.InstitutionName = f"PHANTOM {context.site}"
    return dataset


def series(dataset: Dataset, context: Context, subject: Subject, modality: str, number: int, what: str) -> None:
    """Add the General Series module."""
    dataset.Modality = modality
    dataset.SeriesInstanceUID = context.uid(subject, modality)
    dataset.SeriesNumber = number
    dataset.SeriesDescription = f"{what}, {NOTICE}"
    dataset.ProtocolName = what
    dataset.SeriesDate, dataset.SeriesTime = dataset.StudyDate, dataset.StudyTime
    dataset.BodyPartExamined = "BRAIN"
    dataset.PatientPosition = "HFS"
