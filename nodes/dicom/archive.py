"""All files of one subject's study, as the zip archive that a server ingests at once."""

import io
import zipfile
from typing import Literal

from nodes.dicom import enhanced, single
from nodes.dicom.study import Context
from nodes.phantoms.studio import Pictures
from nodes.phantoms.subjects import Subject

Storage = Literal["single-frame", "multi-frame"]


def study_files(context: Context, subject: Subject, pictures: Pictures, storage: Storage) -> list[bytes]:
    """Every DICOM file of a study, MRI first."""
    writer = single if storage == "single-frame" else enhanced
    mri = writer.mri_files(context, subject, pictures.mri) if pictures.mri else []
    pet = writer.pet_files(context, subject, pictures.pet) if pictures.pet else []
    return mri + pet


def packed(contents: list[bytes]) -> bytes:
    """A zip of files, not compressed: noise does not compress, and the server is on the same machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(zipfile.ZipInfo(f"{number:05d}.dcm"), content)
    return buffer.getvalue()
