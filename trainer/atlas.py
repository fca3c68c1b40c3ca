"""The average brain that images are compared with: the MNI ICBM152 2009a non-linear symmetric template, which
nilearn carries.

Fonov et al. 2011, doi:10.1016/j.neuroimage.2010.07.033. Positions are DICOM's: LPS, millimetres, origin at
the anterior commissure.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from nibabel.nifti1 import Nifti1Image
from scipy import ndimage

from emulator.errors import CannotHere

Array: TypeAlias = npt.NDArray[np.float32]
Matrix: TypeAlias = npt.NDArray[np.float64]

_NAME = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # NIfTI's axes point right, anterior, superior
_WHITE_UPTAKE = 0.3  # of grey matter's; ratios of 2.5 to 4 are usual for FDG
_PET_BLUR_MM = 4.5  # the standard deviation of a PET image of about 10 mm resolution (FWHM)


@dataclass(frozen=True)
class Box:
    """A regular grid: `shape` (z, y, x), `corner` the position (x, y, z) of its first voxel, `step_mm` the
    same on all axes.
    """

    shape: tuple[int, int, int]
    corner: tuple[float, float, float]
    step_mm: float

    def resample(self, values: Array, affine: Matrix) -> Array:
        """An image on this grid, trilinear, 0 beyond it. `affine` (4 × 4) maps its index (x, y, z, 1) to a
        position.
        """
        # Index (z, y, x) here → position → index (z, y, x) there; ndimage wants that as one affine map.
        inverse = np.linalg.inv(affine)
        matrix = (inverse[:3, :3] * self.step_mm)[::-1, ::-1]
        offset = (inverse @ np.array([*self.corner, 1.0]))[:3][::-1]
        resampled: Array = ndimage.affine_transform(
            values, matrix, offset, output_shape=self.shape, output=np.float32, order=1
        )
        return resampled


@dataclass(frozen=True)
class Atlas:
    """The average on one grid: `t1` and `fdg` (expected, from tissue) in arbitrary units, and which voxels
    are `brain`.
    """

    t1: Array
    fdg: Array
    brain: npt.NDArray[np.bool_]


@cache
def load(box: Box) -> Atlas:
    """The atlas on a grid. Raises `CannotHere` where nilearn's templates are not installed."""
    t1 = _template("t1", box)
    grey, white = _template("gm", box), _template("wm", box)
    uptake = ndimage.gaussian_filter(grey + _WHITE_UPTAKE * white, _PET_BLUR_MM / box.step_mm)
    return Atlas(t1, uptake, grey + white > 0.5)


def _template(tissue: str, box: Box) -> Array:
    path = _folder() / _NAME.format(tissue)
    if not path.exists():
        raise CannotHere(f"{path} is not there; pip install nilearn, which carries the MNI152 template")
    image = Nifti1Image.from_filename(path)
    blurred = ndimage.gaussian_filter(np.asarray(image.dataobj, dtype=np.float32), box.step_mm / 3)
    return box.resample(blurred.transpose(2, 1, 0), _LPS @ image.affine)


def _folder() -> Path:
    spec = find_spec("nilearn")  # found, not imported: importing nilearn.datasets costs 2 s
    if spec is None or spec.origin is None:
        raise CannotHere("nilearn, which carries the MNI152 template, is not installed; pip install nilearn")
    return Path(spec.origin).parent / "datasets" / "data"
