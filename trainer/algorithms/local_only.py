"""Every site by itself: the baseline that federated training has to beat."""

from collections.abc import Sequence

from trainer.aggregation import Update
from trainer.algorithms.fedavg import FedAvg
from trainer.algorithms.registry import algorithms
from trainer.weights import Weights


@algorithms.register("local-only")
class LocalOnly(FedAvg):
    """The same local training as `fedavg`, round by round, and no exchange: no model leaves its site."""

    exchanges = False

    def server_update(self, weights: Weights, updates: Sequence[Update]) -> Weights:
        """Nothing comes, so nothing changes."""
        return weights
