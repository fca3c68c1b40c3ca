"""The real anatomy that phantoms start from.

- The MNI ICBM152 2009a non-linear symmetric template: T1 intensity, grey- and white-matter probability, the average
  of 152 young adults (Fonov et al. 2011, doi:10.1016/j.neuroimage.2010.07.033), which nilearn carries.
- The Colin27 head, the average of 27 scans of one man (Holmes et al. 1998, doi:10.1097/00004728-199803000-00032), and
  the AAL labels drawn on it (Tzourio-Mazoyer et al. 2002, doi:10.1006/nimg.2001.0978): Debian's mricron-data.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from nodes.errors import CannotHere
from nodes.phantoms.grids import Array, Grid

GRID = Grid(shape=(92, 111, 95), origin=(-72.0, -94.0, -94.0), step=(2.0, 2.0, 2.0))
"""The grid of every template here."""

_COLIN_FOLDER = Path("/usr/share/mricron/templates")
_MNI_NAME = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"

HIPPOCAMPUS = (37, 38)
MEDIAL_TEMPORAL = (37, 38, 39, 40, 41, 42)  # and parahippocampal gyri and amygdalae
# Where FDG uptake falls first in Alzheimer's disease: posterior cingulate, precuneus, inferior parietal and angular
# gyri, middle and inferior temporal gyri (Minoshima et al. 1997, doi:10.1002/ana.410420114; Landau et al. 2011, the
# "metaROI").
TEMPORO_PARIETAL = (35, 36, 61, 62, 63, 64, 65, 66, 67, 68, 85, 86, 89, 90)
_VENTRICLE_BOX_MM = ((-2.0, 34.0), (-36.0, 52.0), (-32.0, 32.0))  # z, y, x: no cisterns, no Sylvian fissure


@dataclass(frozen=True)
class Anatomy:
    """Templates on GRID; intensities relative to white matter (1.0), the rest from 0 to 1."""

    head: Array  # MNI152's brain in Colin27's skull and scalp
    colin: Array  # the same with Colin27's brain
    grey: Array
    white: Array
    brain: Array
    hippocampus: Array
    medial_temporal: Array
    temporo_parietal: Array
    ventricles: Array


def _read(path: Path) -> tuple[Array, Any]:
    if not path.exists():
        raise CannotHere(
            f"{path} is not there: phantoms need the Colin27 head (apt-get install mricron-data) "
            "and nilearn's MNI152 templates"
        )
    image: Any = nib.load(path)
    return np.asarray(image.dataobj, dtype=np.float32), image.affine


def _on_grid(path: Path, blur_mm: float = 0.9) -> Array:
    """A 1 mm RAS image on GRID, blurred just enough for its 2 mm."""
    values, affine = _read(path)
    source = _lps_grid(values.shape, affine)
    turned = np.ascontiguousarray(values[::-1, ::-1, :].transpose(2, 1, 0))
    if blur_mm:
        turned = ndimage.gaussian_filter(turned, blur_mm)
    # Both grids lie on whole millimetres, so that this picks voxels and interpolates nothing.
    return source.sample(turned, GRID.positions())


def _lps_grid(shape: tuple[int, ...], affine: Any) -> Grid:
    """The grid of a 1 mm axis-aligned RAS image once it is turned to (z, y, x) in LPS."""
    x0, y0, z0 = (float(value) for value in affine[:3, 3])
    width, depth, height = shape
    return Grid((height, depth, width), (z0, -(y0 + depth - 1), -(x0 + width - 1)), (1.0, 1.0, 1.0))


def _mni(what: str) -> Array:
    spec = find_spec("nilearn")  # found, not imported: importing nilearn.datasets costs 2 s
    if spec is None or spec.origin is None:
        raise CannotHere("nilearn, which carries the MNI152 templates, is not installed; pip install nilearn")
    return _on_grid(Path(spec.origin).parent / "datasets" / "data" / _MNI_NAME.format(what)) / np.float32(255)


def _labels(labels: Array, wanted: tuple[int, ...]) -> Array:
    mask = np.isin(labels, wanted).astype(np.float32)
    smooth: Array = ndimage.gaussian_filter(mask, 0.5)
    return smooth


def _ventricles(brain: Array, t1: Array) -> Array:
    """The lateral ventricles: in each half, the largest part that is dark on T1 deep inside the brain."""
    fluid = (ndimage.binary_fill_holes(brain > 0.5) & (t1 < 0.68)).astype(np.uint8)
    for axis, (low, high) in enumerate(_VENTRICLE_BOX_MM):
        outside = (GRID.axes[axis] < low) | (GRID.axes[axis] > high)
        np.moveaxis(fluid, axis, 0)[outside] = 0
    mask = np.zeros(fluid.shape, np.float32)
    for side in (GRID.axes[2] > 2, GRID.axes[2] < -2):  # the cut keeps the fissure between the hemispheres out
        parts, count = ndimage.label(fluid * side.astype(np.uint8))
        sizes = ndimage.sum_labels(fluid, parts, np.arange(1, count + 1))
        mask[parts == 1 + int(np.argmax(sizes))] = 1
    smooth: Array = ndimage.gaussian_filter(mask, 0.4)
    return smooth


def load() -> Anatomy:
    """Read and prepare all templates (seconds); raises CannotHere where one is missing."""
    t1, grey, white = _mni("t1"), _mni("gm"), _mni("wm")
    t1 /= np.float32(np.median(t1[white > 0.9]))
    colin = _on_grid(_COLIN_FOLDER / "ch2.nii.gz")
    colin /= np.float32(np.median(colin[white > 0.9]))
    labels = _on_grid(_COLIN_FOLDER / "aal.nii.gz", blur_mm=0)
    solid = ndimage.binary_closing(t1 > 0.2, iterations=3)
    brain = ndimage.gaussian_filter(ndimage.binary_fill_holes(solid).astype(np.float32), 0.7)
    return Anatomy(
        head=brain * t1 + (1 - brain) * colin,
        colin=colin,
        grey=grey,
        white=white,
        brain=brain,
        hippocampus=_labels(labels, HIPPOCAMPUS),
        medial_temporal=_labels(labels, MEDIAL_TEMPORAL),
        temporo_parietal=_labels(labels, TEMPORO_PARIETAL),
        ventricles=_ventricles(brain, t1),
    )
