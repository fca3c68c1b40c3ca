"""What an algorithm is, and where they are found by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trainer.aggregation import Update
from trainer.registry import Registry
from trainer.weights import Weights

if TYPE_CHECKING:
    from trainer.learning import Learner


class Algorithm(Protocol):
    """How a model is updated. `exchanges` is False where models stay at home; the hub then only gathers what
    they score.
    """

    exchanges: bool

    def client_update(self, learner: "Learner", weights: Weights, epochs: int) -> Weights:
        """One site's local training from `weights`; returns the weights it ends with."""
        ...

    def server_update(self, weights: Weights, updates: Sequence[Update]) -> Weights:
        """The next model from the last one and the sites' updates, in whatever order they come."""
        ...


algorithms: Registry[Algorithm] = Registry("algorithm", __package__, [str(Path(__file__).parent)])
