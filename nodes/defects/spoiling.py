"""Putting a defect into the files of a phantom's study."""

import io
from collections.abc import Sequence

import pydicom

from nodes.defects import attributes, pixels, slices
from nodes.defects.defect import Defect
from nodes.defects.kinds import made_in_file, made_in_images, names
from nodes.defects.stacks import stack_of

__all__ = ["attributes", "names", "pixels", "slices", "spoil", "spoil_encoded"]


def spoil(files: Sequence[bytes], defect: Defect) -> list[bytes]:
    """The files of a study (Explicit VR Little Endian, uncompressed) with a defect in them.

    Kinds that are in the encoding leave them as they are (`spoil_encoded`). Raises UnknownName.
    """
    make = made_in_images(defect.kind)
    if make is None:
        return list(files)
    meant = [file for file in files if _modality(file) == defect.modality]
    stack = stack_of(meant)
    make(stack, defect)
    others = [file for file in files if file not in meant]
    return [*others, *stack.files()]


def spoil_encoded(files: Sequence[bytes], defect: Defect) -> list[bytes]:
    """The same for the kinds that are in how a file is encoded, in any transfer syntax."""
    make = made_in_file(defect.kind)
    if make is None:
        return list(files)
    meant = [index for index, found in enumerate(map(_modality, files)) if found == defect.modality]
    index = meant[defect.slice_of(len(meant))] if len(meant) > 2 else meant[0]
    dataset = pydicom.dcmread(io.BytesIO(files[index]))
    make(dataset, defect)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return [*files[:index], buffer.getvalue(), *files[index + 1 :]]


def _modality(file: bytes) -> str:
    """Which series of a phantom's study a file is of."""
    return str(pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True, specific_tags=["Modality"]).Modality)
