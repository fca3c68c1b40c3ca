"""FDG-PET of a subject: uptake of grey and white matter, temporo-parietal hypometabolism, resolution and noise."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from nodes.cohorts.scanners import Pet
from nodes.phantoms.anatomy import GRID, Anatomy
from nodes.phantoms.deformation import FIELD_OF_VIEW_MM, Deformation, cosines, decay, weights_of
from nodes.phantoms.grids import Array, Grid, spread
from nodes.phantoms.volumes import Scan

_COARSER = Grid(shape=(46, 56, 48), origin=GRID.origin, step=(4.0, 4.0, 4.0))
_GREY_SUV = 8.0
_WHITE_TO_GREY = 0.3
_SCALP_TO_GREY = 0.06
_SUV_SPREAD = 0.14  # between people: dose, weight, time to the scan, blood glucose
_REGIONAL_SPREAD = 0.05  # within a brain, smooth: nobody's uptake is the textbook's
_REGIONAL_WAVES = 5


@dataclass(frozen=True)
class PetEffect:
    """What one site's reconstruction does to its SUV scale."""

    gain: float

    @classmethod
    def draw(cls, seeds: np.random.SeedSequence) -> "PetEffect":
        return cls(float(np.exp(np.random.default_rng(seeds).normal(0, 0.05))))


class PetCamera:
    """Everything that images of one protocol share."""

    def __init__(self, anatomy: Anatomy, protocol: Pet) -> None:
        (z0, z1), (y0, y1), (x0, x1) = FIELD_OF_VIEW_MM
        step = (protocol.slice_mm, protocol.in_plane_mm, protocol.in_plane_mm)
        uptake = anatomy.grey + _WHITE_TO_GREY * anatomy.white + _SCALP_TO_GREY * (anatomy.colin > 0.15)
        self.protocol = protocol
        self.grid = Grid.covering((z0, y0, x0), (z1, y1, x1), step)
        self._weights = weights_of(self.grid)
        self._waves = cosines(self.grid, _REGIONAL_WAVES)
        self._normal = _resolve(uptake.astype(np.float32), protocol.resolution_mm)
        self._affected = _resolve(anatomy.grey * anatomy.temporo_parietal, protocol.resolution_mm)

    def image(
        self, deformation: Deformation, hypometabolism: float, effect: PetEffect, random: np.random.Generator
    ) -> Scan:
        """The FDG image in standardised uptake values by body weight (g/ml); `hypometabolism` is the fraction lost."""
        uptake = self._normal - np.float32(hypometabolism) * self._affected
        signal = _COARSER.sample(uptake, deformation.positions(self.grid, self._weights))
        signal *= self._regional(random)
        signal += self._noise(signal, random)
        signal *= np.float32(_GREY_SUV * effect.gain * np.exp(random.normal(0, _SUV_SPREAD)))
        np.maximum(signal, 0, out=signal)
        slope = float(np.max(signal)) / 32767
        return Scan(np.rint(signal / np.float32(slope)).astype(np.uint16), slope, self.grid)

    def _regional(self, random: np.random.Generator) -> Array:
        count = _REGIONAL_WAVES
        waves = random.standard_normal((count, count, count), dtype=np.float32) * decay(count)
        field: Array = 1 + np.float32(2 * _REGIONAL_SPREAD) * spread(waves, self._waves)
        return field

    def _noise(self, signal: Array, random: np.random.Generator) -> Array:
        """Noise that reconstruction has smoothed, its variance growing with the signal."""
        white = random.standard_normal(signal.shape, dtype=np.float32)
        smooth = ndimage.uniform_filter(white, 2) * np.float32(np.sqrt(8) * self.protocol.noise)
        noise: Array = smooth * np.sqrt(np.maximum(signal, 0) + np.float32(0.01))
        return noise


def _resolve(image: Array, width_mm: float) -> Array:
    """A template at a scanner's resolution (full width at half maximum), on the coarser grid."""
    blurred: Array = ndimage.gaussian_filter(image, width_mm / 2.355 / GRID.step[0])
    return np.ascontiguousarray(blurred[::2, ::2, ::2])
