"""The label of a study, as DICOM carries it: Admitting Diagnoses Code Sequence (0008,1084), SNOMED CT.

See docs/decisions/0003.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from pydicom.dataset import Dataset

from nodes.errors import Unreadable
from nodes.phantoms.classes import Label

CODES: Final[Mapping[Label, tuple[str, str]]] = {
    "control": ("17621005", "Normal"),
    "mci": ("386805003", "Mild cognitive disorder"),
    "ad": ("26929004", "Alzheimer's disease"),
}
SCHEME: Final = "SCT"

Codes: TypeAlias = tuple[tuple[str | None, str | None], ...]
"""Coding schemes and code values."""


def code(value: str, meaning: str, scheme: str = SCHEME) -> Dataset:
    """One item of a code sequence (DICOM PS3.3, 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def write(dataset: Dataset, label: Label) -> None:
    """Put a label into a dataset's Patient Study module."""
    value, meaning = CODES[label]
    dataset.AdmittingDiagnosesDescription = meaning
    dataset.AdmittingDiagnosesCodeSequence = [code(value, meaning)]


def codes(dataset: Dataset) -> Codes:
    """The admitting diagnoses in a dataset."""
    items = dataset.get("AdmittingDiagnosesCodeSequence") or []
    return tuple((item.get("CodingSchemeDesignator"), item.get("CodeValue")) for item in items)


def read(found: Codes, study: str) -> Label:
    """The label among a study's diagnoses; raises Unreadable where there is none that is known."""
    for label, (value, _) in CODES.items():
        if (SCHEME, value) in found:
            return label
    wanted = ", ".join(f"{value} ({label})" for label, (value, _) in CODES.items())
    raise Unreadable(
        f"study {study}: Admitting Diagnoses Code Sequence (0008,1084) holds "
        f"{list(found) or 'nothing'}; expected one SNOMED CT code of {wanted}"
    )
