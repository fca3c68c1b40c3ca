"""Sums of updates that do not depend on who came first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.weights import Weights


@dataclass(frozen=True)
class Update:
    """What one site sends: its weights after local training on `samples` samples (n_k), from the model before `round`.
    `share` is how much of its samples counts: less than 1 for one that came late.
    """

    site: str
    samples: int
    weights: Weights
    round: int = 0
    share: float = 1.0

    @property
    def weight(self) -> float:
        """What it weighs in a mean."""
        return self.samples * self.share


def share_of_stale(rounds: int, exponent: float) -> float:
    """s_a(t - τ) = (t - τ + 1)^-a: how much an update counts that comes so many rounds late (Xie, Koyejo and Gupta
    2019, arXiv:1903.03934, its polynomial). 1 where it is not late, or the exponent is 0.
    """
    return float((rounds + 1) ** -exponent)


def weighted_mean(updates: Sequence[Update]) -> Weights:
    """Σ_k n_k w^k / n, tensor by tensor, in float64 and in the order of the sites' names and rounds; rounded to float32
    once, at the end. n_k is the weight of each update: its samples, less where it came late.

    Raises `ValueError` where there are no updates or no samples.
    """
    ordered = sorted(updates, key=lambda update: (update.site, update.round))
    total = sum(update.weight for update in ordered)
    if total <= 0:
        raise ValueError("a mean over no samples")
    mean: Weights = {}
    for name, first in ordered[0].weights.items():
        summed = np.zeros(first.shape, dtype=np.float64)
        for update in ordered:
            summed += update.weight * update.weights[name].astype(np.float64)
        mean[name] = (summed / total).astype(np.float32)
    return mean
