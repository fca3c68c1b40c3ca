"""A worker's part in a round, gate by gate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer import seeds, weights
from trainer.algorithms import Algorithm
from trainer.clock.computing import FORWARD_SHARE
from trainer.clock.gate import Pass, Stage
from trainer.config import LaunchConfig
from trainer.errors import TransferFailed
from trainer.learning import Learner, Recipe, initial
from trainer.memory import give_back
from trainer.messages import Order, Report
from trainer.tasks.registry import Sample, Task
from trainer.weights import Weights
from trainer.worker.hub_client import HubClient
from trainer.worker.shelf import Home
from trainer.worker.studies import Samples


class Rounds:
    """The training of one `worker`: a site's, or the hub's. Holds the model between rounds, and nothing else that a
    new worker could not get again.
    """

    def __init__(
        self,
        config: LaunchConfig,
        worker: str,
        folder: Path,
        task: Task,
        algorithm: Algorithm,
        studies: Samples,
        hub: HubClient,
        stage: Stage,
    ) -> None:
        self._config = config
        self._worker = worker
        self._task = task
        self._algorithm = algorithm
        self._studies = studies
        self._hub = hub
        self._stage = stage
        self._home = None if algorithm.exchanges else Home(folder / "models")
        self._held = ""  # SHA-256 of …
        self._model: Weights = {}  # … the model that is held

    def train(self, order: Order) -> None:
        """From the order's model to an update at the hub (or, where models stay at home, to the site's next
        model).
        """
        self._get(order)
        self._pull()
        with self._stage.gate("train") as passed:
            update = self._trained(order.round, passed)
            give_back()  # before waiting for the next gate, which may take as long as all other sites' computing
        if self._home is None:
            with self._stage.gate("update"):
                self._hub.update(order.round, update)
        else:
            self._hold(self._home.put(update), update)
            self._stage.skip("update")

    def evaluate(self, order: Order) -> None:
        """Score the order's model (or the site's own) on the held-out subjects, and tell."""
        self._get(order)
        with self._stage.gate("eval") as passed:
            report = self._scored(order.round, passed)
            give_back()
        self._studies.forget()
        with self._stage.gate("report"):
            self._hub.report(report)

    def _get(self, order: Order) -> None:
        """Hold the order's model, fetched only if another one is held."""
        if self._home is not None:
            self._get_from_home(order)
            self._stage.skip("model")
        elif order.model == self._held:
            self._stage.skip("model")
        else:
            with self._stage.gate("model"):
                data = self._hub.model(str(order.model))
            self._hold(str(order.model), data)

    def _get_from_home(self, order: Order) -> None:
        if order.kind == "evaluate" or (order.model is not None and order.model == self._held):
            return
        if order.model is None:
            self._hold("", weights.pack(initial(self._task, self._config.seed)))
            return
        data = self._home.get(order.model) if self._home else None
        if data is None:
            raise TransferFailed(f"this site's own model {order.model} is gone from its disk")
        self._hold(order.model, data)

    def _hold(self, name: str, data: bytes) -> None:
        self._held, self._model = name, weights.unpack(data)

    def _pull(self) -> None:
        if self._studies.all_here:
            self._stage.skip("pull")
            return
        with self._stage.gate("pull") as passed:
            self._studies.pull(passed.pulls)
            give_back()

    def _trained(self, number: int, passed: Pass) -> bytes:
        """Local training; the update with its number of samples (where models stay at home, the bare model)."""
        training = self._config.training
        learner = self._learner(self._studies.train(), f"{self._worker}/batches/round-{number}", passed)
        trained = self._algorithm.client_update(learner, self._model, training.local_epochs)
        passed.work = learner.samples * training.local_epochs
        return weights.pack(trained, None if self._home else {"samples": learner.samples})

    def _scored(self, number: int, passed: Pass) -> Report:
        learner = self._learner(self._studies.test(), f"{self._worker}/no-batches", passed)
        learner.load(self._model)
        outcome = learner.predict()
        passed.work = learner.samples * FORWARD_SHARE
        return Report(
            round=number,
            model=self._held,
            labels=outcome.labels.tolist(),
            probabilities=outcome.probabilities.tolist(),
            shares=self._studies.shares(),
        )

    def _learner(self, samples: list[Sample], purpose: str, passed: Pass) -> Learner:
        training = self._config.training
        recipe = Recipe(training.batch_size, training.learning_rate, **_options(training.options))
        passed.pulls += self._studies.take_pulled_again()
        return Learner(self._task.network(), samples, recipe, seeds.generator(self._config.seed, purpose))


def _options(options: Mapping[str, Any]) -> dict[str, float]:
    """The optimiser's own settings among a training's options."""
    return {name: float(options[name]) for name in ("momentum", "weight_decay") if name in options}
