"""T1-weighted MRI of a subject: contrast, partial volume, bias field and Rician noise."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from nodes.cohorts.scanners import Mri
from nodes.phantoms.anatomy import GRID, Anatomy
from nodes.phantoms.deformation import FIELD_OF_VIEW_MM, Deformation, cosines, decay, weights_of
from nodes.phantoms.grids import Array, Grid, spread
from nodes.phantoms.volumes import Scan

_BIAS_WAVES = 3
_STORED_WHITE = (
    620.0  # the stored value of white matter; scanners' scales are arbitrary, this one leaves room in 12 bits
)
_DARKENING = (
    0.45  # grey value lost by the medial temporal lobe per unit of hippocampal loss (partial volume with fluid)
)


@dataclass(frozen=True)
class SiteEffect:
    """What one site's protocol does beyond its scanner's type."""

    gain: float
    contrast: float

    @classmethod
    def draw(cls, seeds: np.random.SeedSequence) -> "SiteEffect":
        random = np.random.default_rng(seeds)
        return cls(float(np.exp(random.normal(0, 0.12))), float(np.exp(random.normal(0, 0.06))))


class MriCamera:
    """Everything that images of one protocol share: templates blurred to its slice, its grid, its bases."""

    def __init__(self, anatomy: Anatomy, protocol: Mri) -> None:
        (z0, z1), (y0, y1), (x0, x1) = FIELD_OF_VIEW_MM
        step = (protocol.slice_mm, protocol.in_plane_mm, protocol.in_plane_mm)
        self.protocol = protocol
        self.grid = Grid.covering((z0, y0, x0), (z1, y1, x1), step)
        self._weights = weights_of(self.grid)
        self._bias = cosines(self.grid, _BIAS_WAVES)
        self._average = _blur(anatomy.head, step)
        self._single = _blur(anatomy.colin, step)
        self._temporal = _blur(anatomy.medial_temporal, step)

    def image(
        self, deformation: Deformation, hippocampal_loss: float, effect: SiteEffect, random: np.random.Generator
    ) -> Scan:
        """The T1 image of a deformed head; stored values have an arbitrary scale, as MRI's have."""
        share = np.float32(random.uniform(0.1, 0.6))  # of the one real head in the average of 152: gyri of their own
        head = self._average + share * (self._single - self._average)
        head *= 1 - np.float32(_DARKENING * hippocampal_loss) * self._temporal
        signal = GRID.sample(head, deformation.positions(self.grid, self._weights))
        np.power(signal, np.float32(self.protocol.contrast * effect.contrast), out=signal)
        signal *= self._bias_field(random)
        noisy = _rician(signal, self.protocol.noise, random)
        noisy *= np.float32(_STORED_WHITE * effect.gain)
        return Scan(np.clip(np.rint(noisy), 0, 4095).astype(np.uint16), 1.0, self.grid)

    def _bias_field(self, random: np.random.Generator) -> Array:
        count = _BIAS_WAVES
        waves = random.standard_normal((count, count, count), dtype=np.float32) * decay(count)
        field: Array = np.exp(np.float32(2 * self.protocol.bias) * spread(waves, self._bias))
        return field


def _blur(image: Array, voxel_mm: tuple[float, float, float]) -> Array:
    """A template averaged over a voxel (as a Gaussian of the same variance), less the averaging that GRID has had
    already."""
    widths = [np.sqrt(max(0.0, (v**2 - g**2) / 12)) / g for v, g in zip(voxel_mm, GRID.step, strict=True)]
    blurred: Array = ndimage.gaussian_filter(image, widths)
    return blurred


def _rician(signal: Array, noise: float, random: np.random.Generator) -> Array:
    """The magnitude of a signal with Gaussian noise in both channels (Gudbjartsson & Patz 1995,
    doi:10.1002/mrm.1910340618)."""
    real, imaginary = random.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(noise)
    real += signal
    magnitude: Array = np.hypot(real, imaginary, out=real)
    return magnitude
