"""A launcher with one more task: bright spots in noise, whose place tells the class. Small, and really learnt.

A site's DICOMweb address is `blobs:STUDIES`; its samples are drawn from their UIDs.
"""

import os
import sys
from pathlib import Path
from typing import Self

import numpy as np
from torch import nn

from nodes.curation import Policy
from nodes.endpoints import Endpoint
from nodes.fetched import Fetched
from trainer import launch, seeds, tasks
from trainer.cnn import LightCNN
from trainer.tasks import Sample, Source

EDGE = 12
PLACES = ((3, 3, 3), (3, 8, 8), (8, 3, 8))


class Blobs:
    """The studies of one site."""

    odd: tuple[str, ...] = ()

    def __init__(self, endpoint: Endpoint) -> None:
        self._studies = int(str(endpoint.dicomweb).split(":")[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def studies(self) -> list[str]:
        return [f"1.2.{number}" for number in range(self._studies)]

    def fetch(self, uid: str) -> tuple[Sample, Fetched]:
        label = int(uid.split(".")[2]) % len(PLACES)
        values = seeds.generator(1, uid).normal(0.0, 1.0, (1, EDGE, EDGE, EDGE))
        z, y, x = PLACES[label]
        values[0, z - 2 : z + 2, y - 2 : y + 2, x - 2 : x + 2] += 1.5
        return Sample(values.astype(np.float16), label), Fetched(uid, "drawn", "", 1, values.size * 2, 10)


@tasks.register("blobs")
class BlobTask:
    """Which of three places is bright."""

    classes: tuple[str, ...] = ("control", "mci", "ad")
    view = "blobs-1"
    shape = (1, EDGE, EDGE, EDGE)

    def source(self, endpoint: Endpoint, folder: Path, curation: Policy | None, secret: str) -> Source:
        return Blobs(endpoint)

    def warm(self) -> None:
        pass

    def network(self) -> nn.Module:
        return LightCNN(self.shape, 3, (8, 16))


if __name__ == "__main__":
    os._exit(launch.main(sys.argv[1:]))
