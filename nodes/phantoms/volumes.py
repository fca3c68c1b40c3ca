"""An image volume as a scanner leaves it, before it becomes DICOM."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nodes.phantoms.grids import Grid


@dataclass(frozen=True)
class Scan:
    """Stored values (uint16, z, y, x) on a grid in LPS millimetres; the quantity is `stored × slope`."""

    stored: npt.NDArray[np.uint16]
    slope: float
    grid: Grid
