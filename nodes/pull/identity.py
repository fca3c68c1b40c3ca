"""Whose a DICOM file is, which series it belongs to, and what its label says."""

import io
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from nodes.dicom import labels
from nodes.errors import Unreadable
from nodes.pull.bombs import refuse_deflated_bomb
from nodes.pull.elements import Data, NotFollowed, Span, cut, find, items, within

REFUSALS: Final = (
    InvalidDicomError,
    BytesLengthException,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    zlib.error,
    struct.error,
)
"""What pydicom raises at bytes that are damaged or no DICOM: found by damaging files (test_pull_quick)."""

_STUDY, _PATIENT, _MODALITY, _NUMBER, _DIAGNOSES = 0x0020000D, 0x00100020, 0x00080060, 0x00200011, 0x00081084
_VALUE, _SCHEME = 0x00080100, 0x00080102
_WANTED: Final[Mapping[int, bytes]] = {
    _STUDY: b"UI",
    _PATIENT: b"LO",
    _MODALITY: b"CS",
    _NUMBER: b"IS",
    _DIAGNOSES: b"SQ",
}
_CODE: Final[Mapping[int, bytes]] = {_VALUE: b"SH", _SCHEME: b"SH"}
_KEYWORDS: Final = ["StudyInstanceUID", "PatientID", "Modality", "SeriesNumber", "AdmittingDiagnosesCodeSequence"]

_PLAIN = re.compile(rb"[!-\[\]-}](?:[ -\[\]-}]*[!-\[\]-}])?")  # ASCII that every character set shares: without \ and ~
_UID = re.compile(rb"[0-9.]{1,64}")
_WHOLE = re.compile(rb"[0-9]{1,9}")


@dataclass(frozen=True)
class Identity:
    """`number` is the Series Number, 0 where there is none."""

    study: str
    patient: str
    modality: str
    number: int
    codes: labels.Codes


def identify(data: Data) -> Identity:
    """Whose the file is and what its label says; raises Unreadable."""
    try:
        return quick_identity(data)
    except NotFollowed:
        return identity_by_pydicom(data)


def quick_identity(data: Data) -> Identity:
    """The same for a file in plain form only. Raises NotFollowed where pydicom must read it."""
    top = find(data, _WANTED)
    if not top.keys() >= {_STUDY, _PATIENT, _MODALITY, _NUMBER}:
        raise NotFollowed
    diagnoses = [within(data, item, _CODE) for item in items(data, top.get(_DIAGNOSES, (0, 0)))]
    return Identity(
        study=uid(data, top[_STUDY]),
        patient=_matched(_PLAIN, data, top[_PATIENT]),
        modality=_matched(_PLAIN, data, top[_MODALITY]),
        number=int(_matched(_WHOLE, data, top[_NUMBER])),
        codes=tuple((_code(data, found, _SCHEME), _code(data, found, _VALUE)) for found in diagnoses),
    )


def uid(data: Data, span: Span) -> str:
    """The UID there. Raises NotFollowed where it is none."""
    return _matched(_UID, data, span)


def _code(data: Data, found: Mapping[int, Span], tag: int) -> str | None:
    return _matched(_PLAIN, data, found[tag]) if tag in found else None


def _matched(pattern: re.Pattern[bytes], data: Data, span: Span) -> str:
    value = cut(data, span).rstrip(b"\0 ")
    if not pattern.fullmatch(value):
        raise NotFollowed
    return value.decode("ascii")


def identity_by_pydicom(data: Data) -> Identity:
    """The same in any encoding that pydicom reads; raises Unreadable."""
    refuse_deflated_bomb(data)
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(_KEYWORDS))
        return _of_dataset(dataset)
    except REFUSALS as error:
        raise Unreadable(
            f"the PACS sent {len(data)} bytes that do not say as DICOM which study and series they are of ({error})"
        ) from error


def _of_dataset(dataset: Dataset) -> Identity:
    return Identity(
        study=str(dataset.get("StudyInstanceUID")),
        patient=str(dataset.get("PatientID", "")),
        modality=str(dataset.Modality),
        number=int(dataset.get("SeriesNumber") or 0),
        codes=labels.codes(dataset),
    )
