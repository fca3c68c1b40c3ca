"""How well predictions meet the truth. A score that can't be told (a class that nobody has) is left out, not
made up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Probabilities: TypeAlias = npt.NDArray[np.float64]
Labels: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """Predictions on held-out subjects: probabilities (n, classes) and the n true classes."""

    probabilities: Probabilities
    labels: Labels


def scores(outcome: Outcome, classes: Sequence[str]) -> dict[str, float]:
    """`accuracy`, `balanced_accuracy` (mean recall of the classes that are there), `recall_CLASS`, `auc` (one
    against the rest, mean over classes), `loss` (cross-entropy, nats), `subjects`. Empty for no subjects.
    """
    labels = outcome.labels
    if not len(labels):
        return {}
    right = outcome.probabilities.argmax(axis=1) == labels
    present = [(index, name) for index, name in enumerate(classes) if (labels == index).any()]
    recalls = {f"recall_{name}": float(right[labels == index].mean()) for index, name in present}
    areas = [auc(outcome.probabilities[:, i], labels == i) for i, _ in present if not (labels == i).all()]
    chosen = outcome.probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean(list(recalls.values()))),
        **recalls,
        **({"auc": float(np.mean(areas))} if areas else {}),
        "loss": float(-np.log(np.maximum(chosen, 1e-12)).mean()),
        "subjects": float(len(labels)),
    }


def auc(score: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a positive's score is above a negative's, ties counting half (Mann
    & Whitney 1947).
    """
    negatives = np.sort(score[~positive])
    below = np.searchsorted(negatives, score[positive], side="left")
    not_above = np.searchsorted(negatives, score[positive], side="right")
    return float((below + not_above).mean() / 2 / len(negatives))


def pooled(outcomes: Mapping[str, Outcome], classes: Sequence[str]) -> dict[str, float]:
    """The scores over all sites' subjects together, and `worst_site_accuracy`, the lowest accuracy of any one
    site.
    """
    tested = {site: outcome for site, outcome in sorted(outcomes.items()) if len(outcome.labels)}
    if not tested:
        return {}
    together = Outcome(
        np.concatenate([outcome.probabilities for outcome in tested.values()]),
        np.concatenate([outcome.labels for outcome in tested.values()]),
    )
    worst = min(scores(outcome, classes)["accuracy"] for outcome in tested.values())
    return {**scores(together, classes), "worst_site_accuracy": worst}
