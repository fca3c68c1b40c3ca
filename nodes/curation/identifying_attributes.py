"""People who are named where no picture needs it: in attributes of their own, and in what somebody has typed."""

import re
from collections.abc import Iterator
from typing import Final

from nodes.curation.checks import of_image
from nodes.curation.images import FREE_TEXT, IDENTIFYING, Image

_DATE: Final = r"\d{1,2}[./-]\d{1,2}[./-]\d{4}\b"
_TELEPHONE: Final = re.compile(
    rf"(?<![\d.])(?!{_DATE})(?:[+(]|0(?=\d))\d?(?:[ ()/.-]{{0,2}}\d){{8,14}}(?![\d.])"
    r"|(?<!\d)\d{3}-\d{3}-\d{4}(?!\d)"
)
"""Nine digits and more after a +, a bracket or a 0, or a North American number."""
_SIGNS: Final = (
    ("a telephone number", _TELEPHONE),
    ("an e-mail address", re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")),
    ("a person", re.compile(r"\b(?:Mrs?|Ms|Dr|Mme|Mlle|Frau|Herrn?|Sra?|Signora?)\b\.? +[^\W\d_][\w'-]+")),
)


@of_image("identifying-attributes")
def identifying_attributes(image: Image) -> Iterator[str]:
    """What says who the patient is, by attribute. Values are not repeated: a report is read by many."""
    for keyword in IDENTIFYING:
        if image.texts.get(keyword):
            yield f"{keyword} is filled in"
    for keyword in FREE_TEXT:
        text = image.texts.get(keyword, "")
        signs = [what for what, pattern in _SIGNS if pattern.search(text)]
        if _named(image.texts.get("PatientName", ""), text):
            signs.append("the patient's name")
        if signs:
            yield f"{keyword} holds {' and '.join(signs)}"


def _named(name: str, text: str) -> bool:
    """Whether family and given name both stand in a text, side by side."""
    family, _, rest = name.split("=")[0].partition("^")
    given = rest.partition("^")[0]
    if len(family) < 2 or len(given) < 2:
        return False
    either = (rf"{re.escape(family)}[\s,]+{re.escape(given)}", rf"{re.escape(given)}[\s,]+{re.escape(family)}")
    return any(re.search(rf"\b{pattern}\b", text, re.IGNORECASE) for pattern in either)
