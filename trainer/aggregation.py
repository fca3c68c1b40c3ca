"""Sums of updates that do not depend on who came first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.weights import Weights


@dataclass(frozen=True)
class Update:
    """What one site sends: its weights after local training on `samples` samples (n_k)."""

    site: str
    samples: int
    weights: Weights


def weighted_mean(updates: Sequence[Update]) -> Weights:
    """Σ_k n_k w^k / n, tensor by tensor, in float64 and in the order of the sites' names; rounded to float32
    once, at the end.

    Raises `ValueError` where there are no updates or no samples.
    """
    ordered = sorted(updates, key=lambda update: update.site)
    total = sum(update.samples for update in ordered)
    if total <= 0:
        raise ValueError("a mean over no samples")
    mean: Weights = {}
    for name, first in ordered[0].weights.items():
        summed = np.zeros(first.shape, dtype=np.float64)
        for update in ordered:
            summed += update.samples * update.weights[name].astype(np.float64)
        mean[name] = (summed / total).astype(np.float32)
    return mean
