"""A light 3-D convolutional network."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

_GROUPS = 4
_TEMPER = 0.25
"""Features are scaled by this before the head. There are thousands, of variance near 1, and a step moves
logits by η|f|²: unscaled, the first steps of a usual size (η = 0.05) throw the head about, and a few rounds
are all that federated training often has.
"""


def _stage(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels_in, channels_out, kernel_size=3, stride=2, padding=1, bias=False),
        nn.GroupNorm(_GROUPS, channels_out),
        nn.ReLU(inplace=True),
    )


class LightCNN(nn.Module):
    """Stages of strided 3³ convolution, group normalisation and ReLU; then one linear layer over all places.

    Places are kept, not averaged: images lie in a common space, and where the brain changes is what tells the
    classes apart. Group normalisation (Wu & He 2018, arXiv:1803.08494) keeps no running statistics: batch
    normalisation's would leak from site to site and break the averaging of models (Hsieh et al. 2020,
    arXiv:1910.00189). The head begins at zero: equal probabilities. On two channels of 32 × 40 × 32 it has
    50,179 parameters.
    """

    def __init__(self, shape: tuple[int, int, int, int], classes: int, widths: tuple[int, ...] = (16, 32, 32)) -> None:
        super().__init__()
        channels, *edges = shape
        self.stages = nn.Sequential(*(_stage(a, b) for a, b in pairwise((channels, *widths))))
        places = math.prod(math.ceil(edge / 2 ** len(widths)) for edge in edges)
        self.head = nn.Linear(places * widths[-1], classes)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.zero_()

    def forward(self, volumes: Tensor) -> Tensor:
        """Volumes (batch, channels, z, y, x) to logits (batch, classes)."""
        logits: Tensor = self.head(_TEMPER * self.stages(volumes).flatten(1))
        return logits
