"""Regular grids in millimetres, axes parallel to the patient's.

Positions are DICOM's: LPS, millimetres, x to the patient's Left, y to the Posterior, z to the Superior end; origin at
the anterior commissure (the origin of MNI space). Arrays are indexed (z, y, x).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array: TypeAlias = npt.NDArray[np.float32]
Triple: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class Grid:
    """A box of voxels: `shape`, `origin` (centre of voxel 0,0,0; mm) and `step` (mm), each as (z, y, x)."""

    shape: tuple[int, int, int]
    origin: Triple
    step: Triple

    @classmethod
    def covering(cls, low: Triple, high: Triple, step: Triple) -> "Grid":
        """The grid of that step, centred on the box from `low` to `high` (mm), that does not reach beyond it."""
        counts = [int((b - a) // s) + 1 for a, b, s in zip(low, high, step, strict=True)]
        starts = [(a + b - (n - 1) * s) / 2 for a, b, n, s in zip(low, high, counts, step, strict=True)]
        return cls((counts[0], counts[1], counts[2]), (starts[0], starts[1], starts[2]), step)

    @cached_property
    def axes(self) -> tuple[Array, Array, Array]:
        """The positions along z, y and x, mm."""
        z, y, x = (
            (start + step * np.arange(count)).astype(np.float32)
            for count, start, step in zip(self.shape, self.origin, self.step, strict=True)
        )
        return z, y, x

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel, millilitres."""
        return float(np.prod(self.step)) / 1000

    def positions(self) -> Array:
        """The positions of all voxels, shape (3, *shape), mm, components in the order z, y, x."""
        return np.stack(np.meshgrid(*self.axes, indexing="ij"))

    def sample(self, image: Array, positions: Array) -> Array:
        """An image on this grid at other positions (shape (3, …), mm), trilinear; beyond the grid it is 0."""
        indices = np.empty_like(positions)
        for axis, (start, step) in enumerate(zip(self.origin, self.step, strict=True)):
            np.multiply(positions[axis], 1 / step, out=indices[axis])
            indices[axis] -= start / step
        result: Array = ndimage.map_coordinates(image, indices, output=np.float32, order=1, mode="constant")
        return result

    def weights_on(self, finer: "Grid") -> tuple[Array, Array, Array]:
        """Matrices, one an axis, shape (finer's count, own count), that interpolate linearly from this grid to another.

        Positions beyond this grid take the value of its border.
        """
        z, y, x = (_hat(*both) for both in zip(self.axes, finer.axes, self.step, strict=True))
        return z, y, x


def _hat(nodes: Array, positions: Array, step: float) -> Array:
    inside = np.clip(positions, nodes[0], nodes[-1])
    weights: Array = np.maximum(0, 1 - np.abs(inside[:, None] - nodes[None, :]) / np.float32(step)).astype(np.float32)
    return weights


def spread(values: Array, along: tuple[Array, Array, Array]) -> Array:
    """A separable linear map: `values` (…, a, b, c) with one matrix an axis, of shapes (A, a), (B, b), (C, c), to
    (…, A, B, C)."""
    z, y, x = along
    # The two cheap axes first, so that the expensive last product is one matrix product on contiguous memory.
    lifted = np.einsum("zi,...ijk->...zjk", z, values, optimize=True)
    result: Array = np.matmul(np.matmul(y, lifted), x.T)
    return result
