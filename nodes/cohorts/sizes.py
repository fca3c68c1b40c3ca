"""How many bytes a site's studies have as DICOM: read from the baked cohort, or computed before it is baked."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emulator.topology.resolved import Cohort, Site
from nodes.cohorts import scanners
from nodes.cohorts.keys import key_of
from nodes.imports import cohorts_folder, imported

# Bytes beside the pixels, measured on baked cohorts: of a file that holds one slice, and of each frame in one that
# holds all of them.
_SLICE_HEADER_BYTES = {"mr": 1745, "pet": 2315}
_FRAME_HEADER_BYTES = {"mr": 152, "pet": 196}


@dataclass(frozen=True)
class Studies:
    """All studies of a site: bytes of their DICOM files, and how many files these are."""

    bytes: int
    instances: int
    source: Literal["baked", "computed"]


def studies_of(site: Site, seed: int, cache: Path) -> Studies:
    """From the cache where the cohort is baked, else computed; the two differ by less than 1 %."""
    try:
        entry = cache / "cohorts" / key_of(site, seed)
        manifest = json.loads((entry / "manifest.json").read_text())
        return Studies(manifest["bytes"] - manifest["index_bytes"], manifest["instances"], "baked")
    except (OSError, ValueError, KeyError):
        return computed(site.cohort) if site.cohort.kind == "phantom" else _imported(site.cohort, cache)


def _imported(cohort: Cohort, cache: Path) -> Studies:
    """The site's part of the imported cohort, as if all studies were alike. Raises WrongState where it is not there."""
    whole = imported(cohorts_folder(cache.parent) / cohort.source)
    part = cohort.studies / whole.studies
    return Studies(round(part * whole.bytes), round(part * whole.instances), "computed")


def computed(cohort: Cohort) -> Studies:
    """From the scanner's grids. Raises UnknownName for a scanner that does not exist."""
    from nodes.phantoms.deformation import FIELD_OF_VIEW_MM  # scipy comes with it
    from nodes.phantoms.grids import Grid

    (z0, z1), (y0, y1), (x0, x1) = FIELD_OF_VIEW_MM
    scanner = scanners.get(cohort.scanner)
    total = instances = 0
    for modality in cohort.modalities:
        protocol = scanner.mri if modality == "mr" else scanner.pet
        step = (protocol.slice_mm, protocol.in_plane_mm, protocol.in_plane_mm)
        shape = Grid.covering((z0, y0, x0), (z1, y1, x1), step).shape
        single = cohort.storage == "single-frame"
        header = (_SLICE_HEADER_BYTES if single else _FRAME_HEADER_BYTES)[modality]
        total += 2 * math.prod(shape) + header * shape[0]
        instances += shape[0] if single else 1
    return Studies(total * cohort.studies, instances * cohort.studies, "computed")
