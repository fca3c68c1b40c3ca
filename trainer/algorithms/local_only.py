"""Every site by itself: the baseline that federated training has to beat."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.aggregation import Update
from trainer.algorithms.registry import algorithms
from trainer.weights import Weights

if TYPE_CHECKING:
    from trainer.learning import Learner


@algorithms.register("local-only")
class LocalOnly:
    """The same local training as `fedavg`, round by round, and no exchange: no model leaves its site."""

    exchanges = False

    def client_update(self, learner: "Learner", weights: Weights, epochs: int) -> Weights:
        """w ← w - η∇ℓ(w; b) over this site's own batches, for good."""
        learner.load(weights)
        for _ in range(epochs):
            for batch in learner.batches():
                learner.step(batch)
        return learner.weights()

    def server_update(self, weights: Weights, updates: Sequence[Update]) -> Weights:
        """Nothing comes, so nothing changes."""
        return weights
