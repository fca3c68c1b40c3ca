"""Federated averaging (McMahan et al. 2017, arXiv:1602.05629, Algorithm 1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.aggregation import Update, weighted_mean
from trainer.algorithms.registry import algorithms
from trainer.weights import Weights

if TYPE_CHECKING:
    from trainer.learning import Learner


@algorithms.register("fedavg")
class FedAvg:
    """The paper's names: E local epochs over batches of size B with step η; every client takes part (C = 1)."""

    exchanges = True

    def client_update(self, learner: "Learner", weights: Weights, epochs: int) -> Weights:
        """ClientUpdate(k, w): for each local epoch, for each batch b, w ← w - η∇ℓ(w; b)."""
        learner.load(weights)
        for _ in range(epochs):
            for batch in learner.batches():
                learner.step(batch)
        return learner.weights()

    def server_update(self, weights: Weights, updates: Sequence[Update]) -> Weights:
        """w_{t+1} ← Σ_k (n_k / n) w^k_{t+1}."""
        return weighted_mean(updates)
