"""How a site's scanners and archive write DICOM: the same study in the dialect of a PACS profile (`writes:`)."""

import copy
import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Final

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset

from nodes.dicom.syntaxes import SYNTAXES, encode
from nodes.pacs.habits import Writes

_CHARSETS: Final[Mapping[str, str | list[str]]] = {
    "ISO_IR 100": "ISO_IR 100",
    "ISO_IR 192": "ISO_IR 192",
    "ISO 2022 IR 87": ["", "ISO 2022 IR 87"],
}
_GIVEN: Final[Mapping[str, Sequence[str]]] = {
    "ISO_IR 100": ("Zoë", "José", "Jürgen", "Françoise"),
    "ISO_IR 192": ("Łukasz", "Žofie", "Ελένη", "Дмитрий"),
    "ISO 2022 IR 87": (
        "TARO=幻影^太郎=げんえい^たろう",
        "SAKURA=幻影^桜=げんえい^さくら",
        "KENJI=幻影^健二=げんえい^けんじ",
        "HARUKA=幻影^遥=げんえい^はるか",
    ),
}
# Without Patient ID, which servers index by, and Patient's Name, which says that it is a phantom.
_TYPE_2: Final = (
    "StudyTime",
    "AccessionNumber",
    "Manufacturer",
    "ReferringPhysicianName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "SeriesNumber",
    "InstanceNumber",
    "PositionReferenceIndicator",
)
_WRONG_VR: Final[Mapping[str, str]] = {
    "PatientAge": "LO",
    "SliceThickness": "LO",
    "SeriesNumber": "DS",
    "ImagePositionPatient": "LO",
    "PixelSpacing": "LO",
    "StudyDescription": "UT",
}


def spoken(files: Sequence[bytes], writes: Writes) -> list[bytes]:
    """The files of a study (Explicit VR Little Endian, uncompressed) as an archive of such habits keeps them.

    The pixels and their places stay what they are. With `doubled_uids` there is one file more.
    """
    if writes == Writes():
        return list(files)
    datasets = [_in_dialect(pydicom.dcmread(io.BytesIO(file)), writes) for file in files]
    if writes.doubled_uids:
        datasets.append(_again(datasets[len(datasets) // 2]))
    return [encode(dataset, SYNTAXES[writes.syntax]) for dataset in datasets]


def _in_dialect(dataset: FileDataset, writes: Writes) -> FileDataset:
    if writes.charset is not None:
        _write_in(dataset, writes.charset)
    if writes.private:
        _add_private(dataset)
    if writes.missing_type2:
        for keyword in _TYPE_2:
            dataset.pop(keyword, None)
    if writes.wrong_vr:
        for keyword, vr in _WRONG_VR.items():
            _retype(dataset, keyword, vr)
    return dataset


def _write_in(dataset: Dataset, charset: str) -> None:
    """Declare the character set, and give the patient a name that needs it."""
    dataset.decode()  # what was read is text from here on, and written in the new set
    if charset not in _CHARSETS:  # the default repertoire is said by silence
        del dataset.SpecificCharacterSet
        return
    dataset.SpecificCharacterSet = _CHARSETS[charset]
    parts = str(dataset.PatientName).split("=")[0].split("^")
    given, _, ideographs = _drawn(_GIVEN[charset], str(dataset.PatientID)).partition("=")
    alphabetic = "^".join([parts[0], given, *parts[2:]])
    dataset.PatientName = f"{alphabetic}={ideographs}" if ideographs else alphabetic


def _drawn(names: Sequence[str], patient: str) -> str:
    return names[hashlib.sha256(patient.encode()).digest()[0] % len(names)]


def _add_private(dataset: Dataset) -> None:
    """Two creators in one group, as a scanner and an archive that both have something to add; one of them nests."""
    scanner = dataset.private_block(0x0029, "PHANTOM SCANNER 1.0", create=True)
    scanner.add_new(0x01, "LO", "gradient set 7")
    scanner.add_new(0x02, "DS", "0.97")
    scanner.add_new(0x10, "OB", bytes(range(64)))
    archive = dataset.private_block(0x0029, "PHANTOM ARCHIVE 2", create=True)
    step = Dataset()
    step.private_block(0x0029, "PHANTOM ARCHIVE 2", create=True).add_new(0x03, "SH", "received")
    archive.add_new(0x01, "SQ", [step])
    archive.add_new(0x02, "UN", b"opaque")


def _retype(dataset: Dataset, keyword: str, vr: str) -> None:
    """The same value under another VR, wherever it stands."""
    if keyword in dataset:
        found = dataset[keyword]
        value = found.value if isinstance(found.value, str) or found.VM == 1 else [str(one) for one in found.value]
        dataset[keyword] = DataElement(found.tag, vr, value if isinstance(value, list) else str(value))
    for found in dataset:
        for item in found.value if found.VR == "SQ" else ():
            _retype(item, keyword, vr)


def _again(dataset: FileDataset) -> FileDataset:
    """A second object under the same UID: the same picture, sent again a day later."""
    again = copy.deepcopy(dataset)
    again.InstanceCreationTime = "235959"
    return again
