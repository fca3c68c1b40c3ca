"""Scores against scikit-learn's, and against what can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from trainer.scores import Outcome, pooled, scores

CLASSES = ("control", "mci", "ad")


def outcome(count: int, seed: int) -> Outcome:
    draw = np.random.default_rng(seed)
    return Outcome(draw.dirichlet([1, 1, 1], count).round(2), draw.integers(0, 3, count))


@given(st.integers(1, 60), st.integers(0, 10_000))
def test_scores_agree_with_scikit_learn(count: int, seed: int) -> None:
    it = outcome(count, seed)
    found = scores(it, CLASSES)
    predicted = it.probabilities.argmax(axis=1)
    present = np.unique(it.labels)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(it.labels, predicted))
    recalls = sk.recall_score(it.labels, predicted, labels=present, average=None, zero_division=0)
    assert found["balanced_accuracy"] == pytest.approx(recalls.mean())
    for index, recall in zip(present, recalls, strict=True):
        assert found[f"recall_{CLASSES[index]}"] == pytest.approx(recall)
    if len(present) > 1:
        areas = [sk.roc_auc_score(it.labels == i, it.probabilities[:, i]) for i in present]
        assert found["auc"] == pytest.approx(np.mean(areas))


def test_what_can_not_be_told_is_left_out() -> None:
    one_class = Outcome(np.array([[0.8, 0.1, 0.1]]), np.array([0]))
    found = scores(one_class, CLASSES)
    assert "auc" not in found
    assert "recall_ad" not in found
    assert scores(Outcome(np.zeros((0, 3)), np.array([], dtype=np.int64)), CLASSES) == {}


def test_overall_scores_pool_subjects_and_name_the_worst_site() -> None:
    good = Outcome(np.array([[0.9, 0.05, 0.05]] * 3), np.array([0, 0, 0]))
    bad = Outcome(np.array([[0.9, 0.05, 0.05]]), np.array([2]))
    found = pooled({"good": good, "bad": bad}, CLASSES)
    assert found["accuracy"] == 0.75
    assert found["worst_site_accuracy"] == 0.0
    assert found["subjects"] == 4
