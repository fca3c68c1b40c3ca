"""The part of a training that knows torch: batches, steps and predictions of one network on one site's samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from trainer import seeds
from trainer.scores import Outcome
from trainer.tasks.registry import Sample, Task
from trainer.weights import Weights

PREDICT_BATCH = 8
_WARMED = 16  # batches that are larger get ready when they come


@dataclass(frozen=True)
class Recipe:
    """Batch size B and step η of plain stochastic gradient descent, with optional momentum and weight decay."""

    batch_size: int
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0


def initial(task: Task, seed: int) -> Weights:
    """The weights that every training of this seed starts from."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seeds.integer(seed, "initial-weights"))
        return _weights(task.network())


def warm(task: Task, batch_size: int) -> None:
    """Everything that children made by fork would do again: torch's kernels made ready for every size of batch that a
    step or a prediction may see, and what the task loads.
    """
    task.warm()
    nothing = Sample(np.zeros(task.shape, dtype=np.float16), 0)
    for size in range(1, max(min(batch_size, _WARMED), PREDICT_BATCH) + 1):
        learner = Learner(task.network(), [nothing] * size, Recipe(size, 0.0), np.random.default_rng(0))
        if size <= batch_size:
            learner.step(np.arange(size))
        if size <= PREDICT_BATCH:
            learner.predict()


def _weights(network: nn.Module) -> Weights:
    return {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}


class Descent:
    """Stochastic gradient descent: g ← ∇ℓ + λw; v ← βv + g; w ← w - ηv (β momentum, λ weight decay, both 0 by default).

    Not `torch.optim`: that imports torch's compiler, which costs every training a second and 110 MB.
    """

    def __init__(self, parameters: list[nn.Parameter], recipe: Recipe) -> None:
        self._parameters = parameters
        self._recipe = recipe
        self._velocities = [torch.zeros_like(p) for p in parameters] if recipe.momentum else None

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients, which are then cleared."""
        for index, parameter in enumerate(self._parameters):
            gradient = parameter.grad
            if gradient is None:
                continue
            if self._recipe.weight_decay:
                gradient = gradient.add(parameter, alpha=self._recipe.weight_decay)
            if self._velocities:
                gradient = self._velocities[index].mul_(self._recipe.momentum).add_(gradient)
            parameter.add_(gradient, alpha=-self._recipe.learning_rate)
            parameter.grad = None


class Learner:
    """One network on one site's samples. The order of batches comes from `shuffle` alone."""

    def __init__(
        self, network: nn.Module, samples: Sequence[Sample], recipe: Recipe, shuffle: np.random.Generator
    ) -> None:
        self._network = network
        self._recipe = recipe
        self._shuffle = shuffle
        self._values = [sample.values for sample in samples]
        self._labels = np.array([sample.label for sample in samples], dtype=np.int64)
        self._loss = nn.CrossEntropyLoss()
        self._descent = Descent(list(network.parameters()), recipe)

    @property
    def samples(self) -> int:
        """How many samples there are (n_k)."""
        return len(self._labels)

    def load(self, weights: Weights) -> None:
        """Make these the network's weights."""
        self._network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})

    def weights(self) -> Weights:
        """The network's weights as they are now."""
        return _weights(self._network)

    def batches(self) -> Iterator[npt.NDArray[np.int64]]:
        """One epoch: the indices of each batch, every sample once, in a new order."""
        order = self._shuffle.permutation(self.samples)
        yield from (
            order[start : start + self._recipe.batch_size] for start in range(0, self.samples, self._recipe.batch_size)
        )

    def step(self, batch: npt.NDArray[np.int64]) -> float:
        """w ← w - η∇ℓ(w; b); returns ℓ (cross-entropy, nats)."""
        self._network.train()
        loss = self._loss(self._network(self._inputs(batch)), torch.from_numpy(self._labels[batch]))
        loss.backward()
        self._descent.step()
        return float(loss.detach())

    def predict(self) -> Outcome:
        """Probabilities of every class for every sample, in their order."""
        self._network.eval()
        indices = np.arange(self.samples)
        with torch.inference_mode():
            logits = [
                self._network(self._inputs(indices[start : start + PREDICT_BATCH])).double().numpy()
                for start in range(0, self.samples, PREDICT_BATCH)
            ]
        if not logits:
            return Outcome(np.zeros((0, 0)), self._labels)
        return Outcome(_softmax(np.concatenate(logits)), self._labels)

    def _inputs(self, batch: npt.NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(np.stack([self._values[i] for i in batch]).astype(np.float32))


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return result
