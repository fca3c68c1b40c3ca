"""Defects of what a header says."""

from typing import Final

from nodes.defects.defect import Defect
from nodes.defects.kinds import in_images
from nodes.defects.stacks import Stack

# Nobody's: the telephone numbers are of ranges that the regulators keep for fiction (ARCEP, Ofcom, NANPA).
_REMARKS: Final = (
    "Rappeler Mme Marie Dupont au 01 99 00 12 34",
    "Pt rang, call back on +44 20 7946 0958",
    "Befund an Herrn Karl Meier, karl.meier@example.org",
    "Daughter: Mrs. Jane Roe, (202) 555-0143",
)


@in_images("wrong-modality")
def wrong_modality(stack: Stack, defect: Defect) -> None:
    """The series is said to be of a modality that its SOP class is not for."""
    for header in stack.headers():
        header.Modality = "CT"


@in_images("identifying-attributes")
def identifying_attributes(stack: Stack, defect: Defect) -> None:
    """Somebody wrote a person into the image's comments."""
    remark = _REMARKS[int(defect.place * 1000) % len(_REMARKS)]
    for header in stack.headers():
        header.ImageComments = remark
