"""Dates that are moved rather than removed, all of a patient by as many days (PS3.15, E.3.6).

So the time between two visits stays, and hours of the day do; when it was is known to nobody without the secret.
"""

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from pydicom.dataelem import DataElement

Dates: TypeAlias = Literal["remove", "shift"]

_FEWEST, _MOST = 365, 3650  # days: an age is off by no more than ten years, and no date by less than one
_OF_PERSONS: Final = frozenset({0x00100030, 0x00100032, 0x00100033, 0x00100034, 0x00100035})
"""Birth: no visit, and the option does not keep it."""
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "DA": re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})()"),
    "DT": re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{0,6}(?:\.[0-9]{1,6})?(?:[+-][0-9]{4})?)"),
}
"""Year, month, day, and what stays behind them: nothing else may."""
_TIME: Final = re.compile(r"[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?")


def days_back(patient: str, secret: bytes) -> int:
    """By how many days the dates of a patient are moved: more than a year, less than ten."""
    drawn = hmac.digest(secret, b"dates " + patient.encode(), hashlib.sha256)
    return _FEWEST + int.from_bytes(drawn[:8]) % (_MOST - _FEWEST)


def is_of_visits(element: DataElement) -> bool:
    """Whether an element says when something was done."""
    return element.VR in ("DA", "DT", "TM") and element.tag not in _OF_PERSONS


def moved(element: DataElement, back: int) -> bool:
    """Move an element's dates; times stay. False, and nothing done, where one of them is no whole date, or no time."""
    if element.is_empty:
        return True
    written = [str(value) for value in (element.value if element.VM > 1 else [element.value])]
    if element.VR == "TM":
        return all(map(_TIME.fullmatch, written))
    found = [_moved(one, _FORMS[element.VR], back) for one in written]
    if not all(found):
        return False
    element.value = found if element.VM > 1 else found[0]
    return True


def _moved(written: str, form: re.Pattern[str], back: int) -> str:
    """Empty where it can't be: `201805`, which says no day, would tell the month."""
    found = form.fullmatch(written)
    try:
        parts = [int(part) for part in found.groups()[:3]] if found else []
        return f"{dt.date(*parts) - dt.timedelta(days=back):%Y%m%d}{found[4]}" if found else ""
    except (ValueError, OverflowError):
        return ""
