"""Curating one study, a file at a time."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from nodes.curation import broken_pixels, burnt_in_text, geometry, identifying_attributes, intensity, modality
from nodes.curation.checks import look_at_image, look_at_series
from nodes.curation.findings import Finding, Findings
from nodes.curation.images import Slice, look
from nodes.errors import Unreadable
from nodes.pull.elements import Data

__all__ = ["broken_pixels", "burnt_in_text", "curate", "geometry", "identifying_attributes", "intensity", "modality"]


def curate(files: Iterable[Data | Path]) -> Findings:
    """What is wrong with the study that these files make. They are read one after another; none is kept.

    Never raises for what is in a file: one that is no DICOM is the finding `unreadable`.
    """
    study, found, seen, series = "", [], set[str](), dict[str, list[Slice]]()
    for number, file in enumerate(files, start=1):
        try:
            image = look(file.read_bytes() if isinstance(file, Path) else file)
        except Unreadable as error:
            found.append(Finding("unreadable", "", "", f"file {number}: {error}"))
            continue
        study = study or image.texts.get("StudyInstanceUID", "")
        found.extend(look_at_image(image))
        if image.instance in seen:
            found.append(Finding("doubled-uid", image.series, image.instance, "two files have this UID"))
            continue
        seen.add(image.instance)
        series.setdefault(image.series, []).extend(image.slices())
    for uid, slices in series.items():
        found.extend(look_at_series(uid, ordered(slices)))
    return Findings(study, tuple(found))


def ordered(slices: Sequence[Slice]) -> list[Slice]:
    """Slices of one series along the normal of the first one's plane."""
    if not slices:
        return []
    first = slices[0].orientation
    normal = np.cross(first[:3], first[3:])
    return sorted(slices, key=lambda one: float(np.dot(one.position, normal)))
