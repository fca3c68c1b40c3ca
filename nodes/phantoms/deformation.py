"""From a subject's space to the templates': pose, head size, the population's variance, and the disease."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nodes.phantoms.disease import FIELD_GRID
from nodes.phantoms.grids import Array, Grid, spread

FIELD_OF_VIEW_MM = ((-70.0, 96.0), (-98.0, 128.0), (-92.0, 92.0))
"""The box that is imaged, (z, y, x) with (low, high)."""

_COARSE = Grid(shape=(34, 46, 38), origin=(-70.0, -99.0, -92.5), step=(5.0, 5.0, 5.0))
"""Where displacements are computed; between its nodes they are interpolated."""

_WAVES = 6
_POSITION_SD_MM = 2.0
_ROTATION_SD = 0.025  # radians
_SIZE_SD = 0.015
_WAVE_SD_MM = 2.2  # of the longest waves; hippocampi then vary by 6 % in volume


def cosines(grid: Grid, count: int) -> tuple[Array, Array, Array]:
    """The first `count` cosines along each axis of a grid over the field of view: matrices (voxels, count)."""
    z, y, x = (
        np.cos(np.pi * np.outer((axis - low) / (high - low), np.arange(count))).astype(np.float32)
        for axis, (low, high) in zip(grid.axes, FIELD_OF_VIEW_MM, strict=True)
    )
    return z, y, x


def decay(count: int) -> Array:
    """Amplitudes of a smooth random field's cosines, shape (count, count, count): high frequencies are small; the
    constant is 0."""
    order = np.arange(count, dtype=np.float32)
    squared = order[:, None, None] ** 2 + order[None, :, None] ** 2 + order[None, None, :] ** 2
    amplitudes: Array = ((1 + squared / 3) ** -1.5).astype(np.float32)
    amplitudes[0, 0, 0] = 0
    return amplitudes


_COSINES = cosines(_COARSE, _WAVES)
_DECAY = decay(_WAVES)
_POSITIONS = _COARSE.positions()


@dataclass(frozen=True)
class Deformation:
    """Displacements on a coarse grid: template position = subject position + displacement."""

    coarse: Array  # (3, *_COARSE.shape), mm

    @classmethod
    def draw(cls, random: np.random.Generator, disease: Array) -> "Deformation":
        """A random anatomy and pose with a disease's displacement (on FIELD_GRID, mm) in it."""
        waves = random.standard_normal((3, _WAVES, _WAVES, _WAVES), dtype=np.float32) * _DECAY * _WAVE_SD_MM
        normal = _rigid(random) + spread(waves, _COSINES)
        there = _POSITIONS + normal
        moved = np.stack([FIELD_GRID.sample(component, there) for component in disease])
        return cls(normal + moved)

    def positions(self, grid: Grid, weights: Sequence[Array] | None = None) -> Array:
        """The template positions of a grid's voxels, shape (3, *shape), mm.

        `weights` of the grid may be given if known.
        """
        z, y, x = weights if weights is not None else weights_of(grid)
        positions = spread(self.coarse, (z, y, x))
        for axis, values in enumerate(grid.axes):
            positions[axis] += values.reshape([-1 if a == axis else 1 for a in range(3)])
        return positions


def weights_of(grid: Grid) -> tuple[Array, Array, Array]:
    """The interpolation from the coarse grid to `grid`; the same for every subject, so compute it once a grid."""
    return _COARSE.weights_on(grid)


def _rigid(random: np.random.Generator) -> Array:
    """The displacement of a small rotation, a shift and a scaling, on the coarse grid."""
    a, b, c = random.normal(0, _ROTATION_SD, 3)
    size = random.normal(0, _SIZE_SD)
    matrix = np.array([[size, a, b], [-a, size, c], [-b, -c, size]], dtype=np.float32)
    shift = random.normal(0, _POSITION_SD_MM, 3).astype(np.float32)
    turned: Array = np.einsum("ij,jzyx->izyx", matrix, _POSITIONS, optimize=True)
    return turned + shift[:, None, None, None]
