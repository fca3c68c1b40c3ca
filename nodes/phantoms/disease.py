"""The disease's own deformation: the hippocampus and its neighbours shrink, the ventricles grow.

Each is the gradient of a potential whose Laplacian is the wanted local change of volume (the first order of the
Jacobian's logarithm; the same construction simulates atrophy in Karaçali & Davatzikos 2006,
IEEE Trans Med Imaging 25(5), in a simpler form), so that tissue moves smoothly and nothing tears. The amplitude that
gives a wanted volume is not assumed from the first order: it is measured on the label maps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from nodes.phantoms.anatomy import GRID, Anatomy
from nodes.phantoms.grids import Array, Grid

FIELD_GRID = Grid(shape=(46, 56, 48), origin=GRID.origin, step=(4.0, 4.0, 4.0))
"""Where the displacements are kept."""

_AMPLITUDES = np.array([-1.2, -0.6, 0.0, 0.3, 0.6, 1.0, 1.5, 2.2, 3.0, 3.8])


@dataclass(frozen=True)
class Shift:
    """A displacement (3, z, y, x on FIELD_GRID, mm at amplitude 1), and the measured change of its region at each
    amplitude."""

    field: Array
    changes: tuple[float, ...]  # relative change of volume at _AMPLITUDES

    def amplitude(self, change: float) -> float:
        """The amplitude at which the region's volume changes by the fraction `change` (signed)."""
        order = np.argsort(self.changes)
        return float(np.interp(change, np.asarray(self.changes)[order], _AMPLITUDES[order]))


@dataclass(frozen=True)
class Disease:
    """The two shifts, both sampled as template position = subject position + displacement."""

    hippocampus: Shift
    ventricles: Shift

    def displacement(self, hippocampal_loss: float, ventricular_gain: float) -> Array:
        """The displacement on FIELD_GRID, mm, for the wanted relative changes."""
        shrinking = np.float32(self.hippocampus.amplitude(-hippocampal_loss))
        growing = np.float32(self.ventricles.amplitude(ventricular_gain))
        field: Array = shrinking * self.hippocampus.field + growing * self.ventricles.field
        return field


def build(anatomy: Anatomy) -> Disease:
    """Compute both shifts from the templates."""
    wide = ndimage.gaussian_filter(anatomy.medial_temporal, 1.5)
    # The neighbours shrink by half as much as the hippocampus itself.
    temporal = np.maximum(anatomy.hippocampus, 0.5 * wide)
    return Disease(
        hippocampus=_shift(0.3 * temporal, anatomy.brain, anatomy.hippocampus),
        # Growing regions need a wider seed than themselves: the first order stops at their edge, the wall must move
        # too.
        ventricles=_shift(-0.4 * anatomy.ventricles, anatomy.brain, anatomy.ventricles),
    )


def _shift(dilation: Array, brain: Array, region: Array) -> Shift:
    """The displacement whose divergence is `dilation`, paid for by the rest of the brain, and its measured effect."""
    seed = ndimage.gaussian_filter(dilation.astype(np.float64), 1.0)
    around = brain * np.exp(-((ndimage.distance_transform_edt(region < 0.5) / 12) ** 2))  # 24 mm
    balanced = seed - around * (seed.sum() / around.sum())
    potential = _poisson(balanced, GRID.step)
    slopes: Any = np.gradient(potential, *GRID.step)
    gradient = np.stack(slopes).astype(np.float32)
    field = gradient[:, ::2, ::2, ::2]
    return Shift(field, tuple(relative_change(region, amplitude * field) for amplitude in _AMPLITUDES))


def _poisson(divergence: npt.NDArray[np.float64], step: tuple[float, float, float]) -> Array:
    """The potential whose Laplacian is `divergence` (per mm²), no flow through the border; by cosine transform."""
    spectrum = np.asarray(fft.dctn(divergence, type=2))
    eigenvalues = np.zeros(divergence.shape)
    for axis, (count, width) in enumerate(zip(divergence.shape, step, strict=True)):
        along = (2 * np.cos(np.pi * np.arange(count) / count) - 2) / width**2
        eigenvalues += along.reshape([-1 if a == axis else 1 for a in range(3)])
    eigenvalues[0, 0, 0] = 1
    spectrum /= eigenvalues
    spectrum[0, 0, 0] = 0
    return np.asarray(fft.idctn(spectrum, type=2), dtype=np.float32)


def relative_change(region: Array, field: Array) -> float:
    """How a region's volume changes under a displacement on FIELD_GRID: measured on its warped label map, as a
    fraction."""
    box = ndimage.find_objects((ndimage.binary_dilation(region > 0.01, iterations=5)).astype(np.uint8))[0]
    positions = GRID.positions()[(slice(None), *box)]
    moved = positions + np.stack([FIELD_GRID.sample(component, positions) for component in field])
    return float(GRID.sample(region, moved).sum() / region[box].sum() - 1)
