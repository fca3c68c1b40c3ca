"""Scanners: what a site's machines do to an image. A site has an MRI and a PET of one generation.

All phantoms are coarse on purpose: a study must be made, stored and pulled in tens of milliseconds. Voxel sizes keep
the order between the generations (routine 1.5 T protocols have slices two to three times as thick as 3-D ones at 3
T), and noise and bias fields keep their direction: signal to noise grows with field strength, and so does the
inhomogeneity of the transmit field.
"""

from dataclasses import dataclass

from nodes.errors import UnknownName


@dataclass(frozen=True)
class Mri:
    """A T1-weighted protocol. Intensities are relative to white matter."""

    field_tesla: float
    in_plane_mm: float
    slice_mm: float
    noise: float  # standard deviation of each of the two channels
    bias: float  # standard deviation of the bias field's logarithm
    contrast: float  # exponent on the intensity: above 1, grey and white matter lie further apart
    repetition_ms: float
    echo_ms: float
    inversion_ms: float
    flip_degrees: float


@dataclass(frozen=True)
class Pet:
    """An FDG protocol. `noise` is the standard deviation at the uptake of grey matter, as a fraction of it."""

    in_plane_mm: float
    slice_mm: float
    resolution_mm: float  # full width at half maximum
    noise: float


@dataclass(frozen=True)
class Scanner:
    """One generation of machines."""

    name: str
    model: str
    mri: Mri
    pet: Pet


_SCANNERS = {
    scanner.name: scanner
    for scanner in (
        Scanner(
            "1.5T",
            "PHANTOM-15",
            Mri(1.5, 3.0, 5.0, 0.060, 0.05, 0.85, 1900, 3.9, 1100, 15),
            Pet(5.0, 5.0, 8.0, 0.10),
        ),
        Scanner(
            "3T",
            "PHANTOM-30",
            Mri(3.0, 2.5, 3.0, 0.035, 0.10, 1.0, 2300, 3.0, 900, 9),
            Pet(4.0, 4.0, 6.5, 0.07),
        ),
        Scanner(
            "3T-modern",
            "PHANTOM-30M",
            Mri(3.0, 2.5, 2.5, 0.022, 0.06, 1.1, 2300, 2.3, 900, 8),
            Pet(4.0, 3.5, 5.0, 0.05),
        ),
    )
}


def names() -> frozenset[str]:
    """The names that a cohort's `scanner` may have."""
    return frozenset(_SCANNERS)


def get(name: str) -> Scanner:
    """The scanner of that name; raises UnknownName."""
    if name not in _SCANNERS:
        raise UnknownName("scanner", name, _SCANNERS)
    return _SCANNERS[name]
