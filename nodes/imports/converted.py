"""What images that were no DICOM share once they are: the modules of patient, study, series, equipment (PS3.3, C.7)."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydicom.dataset import Dataset

from nodes.dicom.uids import uid
from nodes.imports.findings import Instance

_LONGEST = 48  # so that what is counted in it may stand behind


def identifier(text: str) -> str:
    """As an identifier of DICOM: 64 characters, no backslash."""
    return re.sub(r"[^A-Za-z0-9._ -]", "_", text)[:64].strip()


def own_name(folder: PurePosixPath, stem: str) -> str:
    """What a file of a dataset is called that no other one is: as itself, and where that does not say all of its path
    below the dataset, with a digest of this.
    """
    path, called = str(folder / stem), identifier(stem) or "unnamed"
    if called == path and len(path) <= _LONGEST:
        return called
    return f"{called[: _LONGEST - 9]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Series:
    """One series to be written: whose, of which study (`visit`), when, and what it shows. `dataset` tells people of one
    name apart. `content` is the digest of the file that it comes from: another content, other UIDs. `subject` is what
    tables may call the patient, where that is something else.
    """

    dataset: str
    patient: str
    visit: str
    day: str
    modality: str
    what: str
    content: str
    subject: str = ""

    @property
    def study(self) -> str:
        """All series of one visit are one study."""
        return uid("pacs-testbed import", self.dataset, self.patient, self.visit)

    def uid(self, *parts: str | int) -> str:
        """The UID of the series, or of something in it."""
        return uid("pacs-testbed import", self.study, self.modality, self.what, self.content, *parts)

    def instance(self, sop: str, label: str = "", image: str = "") -> Instance:
        """What the index keeps of one file of it."""
        subject = self.subject or self.patient
        return Instance(sop, self.study, self.uid(), self.patient, self.modality, label, subject, image, self.day)

    def dataset_of(self, sop_class: str, number: int) -> Dataset:
        """The modules that all files of the series share; what nobody knows stays empty."""
        made = Dataset()
        made.SOPClassUID = sop_class
        made.SpecificCharacterSet = "ISO_IR 192"
        made.PatientName = made.PatientID = self.patient
        made.IssuerOfPatientID = self.dataset[:64]
        made.PatientBirthDate = made.PatientSex = ""
        made.StudyInstanceUID, made.SeriesInstanceUID = self.study, self.uid()
        made.StudyDate, made.StudyTime, made.AccessionNumber = self.day, "", ""
        made.ReferringPhysicianName = made.StudyID = ""
        made.StudyDescription, made.SeriesDescription = self.visit[:64], self.what[:64]
        made.Modality, made.SeriesNumber = self.modality, number
        made.Manufacturer = made.Laterality = ""
        made.BurnedInAnnotation = "NO"
        made.InstanceCreatorUID = uid("pacs-testbed")
        return made
