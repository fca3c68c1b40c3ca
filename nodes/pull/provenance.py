"""Which instance of which study a DICOM file is: all that is looked at while it arrives."""

import io
from collections.abc import Mapping
from typing import Final, NamedTuple

import pydicom

from nodes.errors import Unreadable
from nodes.pull.bombs import refuse_deflated_bomb
from nodes.pull.elements import Data, NotFollowed, find
from nodes.pull.identity import REFUSALS, uid

_SOP_CLASS, _INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_WANTED: Final[Mapping[int, bytes]] = dict.fromkeys((_SOP_CLASS, _INSTANCE, _STUDY, _SERIES), b"UI")
_KEYWORDS: Final = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID")


class Provenance(NamedTuple):
    """UIDs as the file has them; nobody has checked that they are ones."""

    instance: str
    study: str
    series: str
    sop_class: str


def provenance(data: Data) -> Provenance:
    """Where a file comes from; it may lack its end. Raises Unreadable."""
    try:
        return _quick(data)
    except NotFollowed:
        return _by_pydicom(data)


def _quick(data: Data) -> Provenance:
    top = find(data, _WANTED, up_to=_SERIES)
    if len(top.keys() & _WANTED.keys()) < len(_WANTED):
        raise NotFollowed
    return Provenance(*(uid(data, top[tag]) for tag in (_INSTANCE, _STUDY, _SERIES, _SOP_CLASS)))


def _by_pydicom(data: Data) -> Provenance:
    refuse_deflated_bomb(data)
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(_KEYWORDS))
        found = Provenance(*(str(dataset.get(name) or "") for name in _KEYWORDS))
    except REFUSALS as error:
        raise Unreadable(f"the PACS sent {len(data)} bytes that are not DICOM ({error})") from error
    if not all(found):
        lacking = ", ".join(name for name, value in zip(_KEYWORDS, found, strict=True) if not value)
        raise Unreadable(f"the PACS sent a DICOM file without {lacking}")
    return found
