"""What is wrong with a study on purpose."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """What is wrong with one study: the `kind`, in which series (DICOM `modality`), and how far through its slices
    (`place`, from 0 to 1).
    """

    kind: str
    study: str
    modality: str
    place: float

    def slice_of(self, count: int) -> int:
        """The index of the slice that is meant, of `count`; never the first or the last."""
        return min(max(round(self.place * (count - 1)), 1), count - 2)
