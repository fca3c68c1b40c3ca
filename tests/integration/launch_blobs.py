"""A launcher with one more task: bright spots in noise, whose place tells the class. Small, and really learnt.

A site's address is `blobs:STUDIES`; its samples are drawn from their UIDs.
"""

import os
import sys
from typing import Self

import numpy as np
from torch import nn

from trainer import launch, seeds, tasks
from trainer.cnn import LightCNN
from trainer.tasks import Sample, Source, Traffic

EDGE = 12
PLACES = ((3, 3, 3), (3, 8, 8), (8, 3, 8))


class Blobs:
    """The studies of one site."""

    def __init__(self, url: str) -> None:
        self._studies = int(url.split(":")[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def studies(self) -> tuple[list[str], Traffic]:
        return [f"1.2.{number}" for number in range(self._studies)], Traffic()

    def fetch(self, uid: str) -> tuple[Sample, Traffic]:
        label = int(uid.split(".")[2]) % len(PLACES)
        values = seeds.generator(1, uid).normal(0.0, 1.0, (1, EDGE, EDGE, EDGE))
        z, y, x = PLACES[label]
        values[0, z - 2 : z + 2, y - 2 : y + 2, x - 2 : x + 2] += 1.5
        return Sample(values.astype(np.float16), label), Traffic(rx=values.size * 2, tx=10)


@tasks.register("blobs")
class BlobTask:
    """Which of three places is bright."""

    classes: tuple[str, ...] = ("control", "mci", "ad")
    view = "blobs-1"
    shape = (1, EDGE, EDGE, EDGE)

    def source(self, url: str) -> Source:
        return Blobs(url)

    def warm(self) -> None:
        pass

    def network(self) -> nn.Module:
        return LightCNN(self.shape, 3, (8, 16))


if __name__ == "__main__":
    os._exit(launch.main(sys.argv[1:]))
