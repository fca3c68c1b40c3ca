"""De-identification by DICOM's Basic Application Level Confidentiality Profile (PS3.15, annex E).

Which attribute needs what is the table that dicom-anonymizer keeps in step with the standard. The walk is ours, see
docs/decisions/0018.
"""

import hashlib
import hmac
import io
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, Literal, TypeAlias

import pydicom
from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from dicomanonymizer.simpledicomanonymizer import replace_element
from pydicom.datadict import dictionary_has_tag, repeater_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import BaseTag

from nodes.deidentification.dates import Dates, days_back, is_of_visits, moved
from nodes.deidentification.texts import may_tell
from nodes.dicom import labels
from nodes.errors import Unreadable, WrongInput
from nodes.pull.elements import Data
from nodes.pull.identity import REFUSALS

Action: TypeAlias = Literal["remove", "empty", "dummy", "uid"]

_EDITION: Final = "dicomfields_2026c"
# Where the table leaves a choice, the one that any IOD allows: nothing of the value stays in either.
_ACTIONS: Final[Mapping[str, Action]] = {
    "X_TAGS": "remove",
    "Z_TAGS": "empty",
    "X_Z_TAGS": "empty",
    "D_TAGS": "dummy",
    "Z_D_TAGS": "dummy",
    "X_D_TAGS": "dummy",
    "X_Z_D_TAGS": "dummy",
    "U_TAGS": "uid",
    "X_Z_U_STAR_TAGS": "uid",
}
_OURS: Final[Mapping[int, Action]] = {
    0x00181078: "dummy",  # type 1 in Enhanced PET, where the table would remove it all the same
    **dict.fromkeys((0x00100033, 0x00100034, 0x00100035), "remove"),  # birth and death in another calendar
    0x00400400: "remove",  # comments on a step that the table knows as done, not as scheduled
}
_OURS_MASKED: Final[tuple[tuple[int, int, Action], ...]] = (
    (0x60000022, 0xFF00FFFF, "remove"),  # an overlay's description and label: the overlay itself goes
    (0x60001500, 0xFF00FFFF, "remove"),
)
# The library's own dates are of the year 1, which others take for no dates.
_DUMMY_MOMENTS: Final = {"DA": "19000101", "DT": "19000101000000", "TM": "000000"}
_SHORTEST_SECRET = 16
_STANDARD_UIDS: Final = "1.2.840.10008."


def deidentify(data: Data, secret: bytes, dates: Dates = "remove") -> bytes:
    """A DICOM file without whom it is of. Pixels stay as they are, and are not looked at.

    UIDs and the patient are replaced by what `secret` (16 bytes at least) makes of them: the same secret gives the same
    ones, so that the files of a study, and the studies of a patient, stay together. The label stays, as its code
    alone. `dates` go, or are all moved back by as many days, other ones for each patient (`shift`: the profile's
    Retain Longitudinal Temporal Information with Modified Dates Option). Raises Unreadable for what is no DICOM file,
    WrongInput for a short secret.
    """
    refuse_short(secret)
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        label = labels.codes(dataset)
        patient = str(dataset.get("PatientID", ""))
        _clean(dataset, secret, days_back(patient, secret) if dates == "shift" else None)
        _name(dataset, secret, patient)
        _keep_label(dataset, label)
        _declare(dataset, dates)
        return _written(dataset)
    except REFUSALS as error:
        raise Unreadable(
            f"{len(data)} bytes that can't be read as DICOM, and so not de-identified ({error})"
        ) from error


def refuse_short(secret: bytes) -> None:
    """Raises WrongInput for a secret that can be guessed."""
    if len(secret) < _SHORTEST_SECRET:
        raise WrongInput(f"a secret of {len(secret)} bytes can be guessed; it needs {_SHORTEST_SECRET} at least")


def new_uid(old: str, secret: bytes) -> str:
    """What a UID becomes. Those that the standard itself defines stay."""
    if not old or old.startswith(_STANDARD_UIDS):
        return old
    number = bytearray(hmac.digest(secret, old.encode(), hashlib.sha256)[:16])
    number[6] = number[6] & 0x0F | 0x80
    number[8] = number[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(number)}"


def _clean(dataset: Dataset, secret: bytes, back: int | None) -> None:
    """Do to each element, however deep it is nested, what the table says; move dates `back` so many days, if any."""
    for element in list(_readable(dataset)):
        action = _action(element)
        if back is not None and _is_known(element) and is_of_visits(element) and moved(element, back):
            continue
        if action == "remove":
            del dataset[element.tag]
        elif action == "empty":  # sequences too: what their items say need not stand in the table
            element.clear()
        elif element.VR == "SQ":
            for item in element.value:
                _clean(item, secret, back)
                if action == "dummy":
                    _replace_all(item)
        elif action == "uid" or element.VR == "UI":
            _map(element, secret)
        elif action == "dummy":
            _replace(element)


def _readable(dataset: Dataset) -> Iterator[DataElement]:
    """The elements; what has a value that can't be read as its VR goes, since nobody knows what it says."""
    for tag in list(dataset.keys()):
        try:
            yield dataset[tag]
        except REFUSALS:
            del dataset[tag]


def _is_known(element: DataElement) -> bool:
    """Whether the standard says what an element is; where the file alone says it, nobody knows what its value tells.
    Of groups that repeat, overlays alone are left in use: pixels in others nobody looks at."""
    tag = element.tag
    named = dictionary_has_tag(tag) or (tag >> 24 == 0x60 and repeater_has_tag(tag))
    return named and not tag.is_private and element.VR != "UN"


def _action(element: DataElement) -> Action | None:
    if not _is_known(element):
        return "remove"
    return _named(element.tag) or ("dummy" if may_tell(element) else None)


def _named(tag: BaseTag) -> Action | None:
    """What the table says, and we where it says too little."""
    exact, masked = _table()
    if tag in exact:
        return exact[tag]
    return next((action for value, mask, action in masked if tag & mask == value), None)


@cache
def _table() -> tuple[dict[int, Action], list[tuple[int, int, Action]]]:
    """The table's actions: by tag, and (value, mask, action) of groups that repeat, such as overlays."""
    exact, masked = dict[int, Action](), list[tuple[int, int, Action]]()
    fields = dicom_anonymization_database_selector(_EDITION)
    for category, action in _ACTIONS.items():
        for group, element, *mask in fields[category]:
            if mask:
                wide = mask[0] << 16 | mask[1]
                masked.append(((group << 16 | element) & wide, wide, action))
            else:
                exact[group << 16 | element] = action
    return exact | dict(_OURS), [*masked, *_OURS_MASKED]


def _map(element: DataElement, secret: bytes) -> None:
    if element.VR != "UI":  # a UID that hides under another VR
        element.clear()
    elif element.VM > 1:
        element.value = [new_uid(str(one), secret) for one in element.value]
    elif element.value:
        element.value = new_uid(str(element.value), secret)


def _replace(element: DataElement) -> None:
    """A dummy of the element's VR, as the library makes them; none where it knows none."""
    if element.VR in _DUMMY_MOMENTS:
        element.value = _DUMMY_MOMENTS[element.VR]
        return
    try:
        replace_element(element)
    except NotImplementedError:
        element.clear()


def _replace_all(item: Dataset) -> None:
    for element in item:
        if element.VR == "SQ":
            for inner in element.value:
                _replace_all(inner)
        elif element.VR != "UI":
            _replace(element)


def _name(dataset: Dataset, secret: bytes, patient: str) -> None:
    """A pseudonym, which the profile allows in place of nothing: without it all patients would be one."""
    pseudonym = f"P{hmac.digest(secret, b'patient ' + patient.encode(), hashlib.sha256).hex()[:16].upper()}"
    dataset.PatientID, dataset.PatientName = pseudonym, f"ANONYMOUS^{pseudonym}"


def _keep_label(dataset: Dataset, found: labels.Codes) -> None:
    """Write the label again from our own table, where there was one: no text of the archive's passes."""
    known = [label for label, (value, _) in labels.CODES.items() if (labels.SCHEME, value) in found]
    if known:
        value, meaning = labels.CODES[known[0]]
        dataset.AdmittingDiagnosesCodeSequence = [labels.code(value, meaning)]


def _declare(dataset: Dataset, dates: Dates) -> None:
    """Say what was done (PS3.15, E.1.1 and CID 7050)."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "PS3.15 Basic Profile; one coded diagnosis kept"
    options = [labels.code("113100", "Basic Application Confidentiality Profile", "DCM")]
    if "AdmittingDiagnosesCodeSequence" in dataset:
        options.append(labels.code("113105", "Clean Descriptors Option", "DCM"))
    if dates == "shift":
        meaning = "Retain Longitudinal Temporal Information Modified Dates Option"
        options.append(labels.code("113107", meaning, "DCM"))
    dataset.DeidentificationMethodCodeSequence = options
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if dates == "shift" else "REMOVED"


def _written(dataset: FileDataset) -> bytes:
    """The file, with nothing of the old one's preamble and meta information but the transfer syntax."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    dataset.file_meta, dataset.preamble = meta, bytes(128)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
