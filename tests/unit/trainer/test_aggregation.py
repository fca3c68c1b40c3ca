"""The mean of updates, and every choice that comes from the seed."""

import contextlib
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import algorithms, seeds, weights
from trainer.aggregation import Update, share_of_stale, weighted_mean
from trainer.errors import UnknownName, UpdateRefused
from trainer.held_out import split


def updates(count: int, seed: int) -> list[Update]:
    draw = np.random.default_rng(seed)
    return [
        Update(
            f"site-{i:02}",
            int(draw.integers(1, 200)),
            {
                "a.weight": (draw.standard_normal((3, 5)) * 10.0 ** draw.integers(-6, 6)).astype(np.float32),
                "b.bias": draw.standard_normal(4).astype(np.float32),
            },
        )
        for i in range(count)
    ]


@given(st.integers(1, 30), st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_change_one_byte(count: int, seed: int, luck: random.Random) -> None:
    arrived = updates(count, seed)
    expected = weights.pack(weighted_mean(arrived))
    luck.shuffle(arrived)
    assert weights.pack(weighted_mean(arrived)) == expected


@given(st.integers(1, 12), st.integers(0, 10_000))
def test_the_mean_is_the_paper_s_sum(count: int, seed: int) -> None:
    given_updates = updates(count, seed)
    n = sum(update.samples for update in given_updates)
    mean = algorithms.get("fedavg").server_update({}, given_updates)
    for name in ("a.weight", "b.bias"):
        expected = sum(update.samples / n * update.weights[name].astype(np.longdouble) for update in given_updates)
        np.testing.assert_allclose(mean[name], expected, rtol=1e-5, atol=1e-6)
        assert mean[name].dtype == np.float32


@given(st.integers(2, 12), st.integers(0, 10_000), st.integers(1, 9), st.floats(0, 3))
def test_a_late_update_counts_less_the_later_it_is(count: int, seed: int, rounds: int, exponent: float) -> None:
    assert share_of_stale(0, exponent) == share_of_stale(rounds, 0.0) == 1.0
    assert share_of_stale(1, 0.5) == pytest.approx(1 / 2**0.5)
    share = share_of_stale(rounds, exponent)
    assert share_of_stale(rounds + 1, exponent) <= share
    first, *rest = updates(count, seed)
    mean = weighted_mean([replace(first, share=share), *rest])
    whole = first.samples * share + sum(update.samples for update in rest)
    expected = first.samples * share / whole * first.weights["b.bias"].astype(np.longdouble) + sum(
        update.samples / whole * update.weights["b.bias"].astype(np.longdouble) for update in rest
    )
    np.testing.assert_allclose(mean["b.bias"], expected, rtol=1e-5, atol=1e-6)


def test_a_mean_over_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        weighted_mean([])


@given(st.integers(0, 10_000))
def test_a_model_survives_its_file_and_a_misfit_is_refused(seed: int) -> None:
    (update,) = updates(1, seed)
    data = weights.pack(update.weights, {"samples": 12})
    back = weights.unpack(data)
    assert weights.note(data) == {"samples": 12.0}
    assert weights.pack(back) == weights.pack(update.weights)
    weights.refuse_misfits(back, update.weights)
    for broken in (
        {"a.weight": back["a.weight"]},
        {**back, "b.bias": back["b.bias"][:2]},
        {**back, "b.bias": np.full(4, np.nan, dtype=np.float32)},
    ):
        with pytest.raises(UpdateRefused):
            weights.refuse_misfits(broken, update.weights)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_model_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(UpdateRefused):
        weights.unpack(data + b"x")
    with contextlib.suppress(UpdateRefused):
        weights.note(data)


def test_an_algorithm_that_does_not_exist_gives_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'fedavg'"):
        algorithms.get("fedavgg")
    assert set(algorithms.names()) >= {"fedavg", "local-only"}


def test_seeds_depend_on_seed_and_name_only() -> None:
    one = seeds.generator(7, "lyon/batches/round-1").integers(0, 2**62, 8)
    assert (seeds.generator(7, "lyon/batches/round-1").integers(0, 2**62, 8) == one).all()
    assert (seeds.generator(8, "lyon/batches/round-1").integers(0, 2**62, 8) != one).any()
    assert (seeds.generator(7, "lyon/batches/round-2").integers(0, 2**62, 8) != one).any()
    assert seeds.integer(7, "initial-weights") < 2**63


@settings(max_examples=50)
@given(
    st.dictionaries(st.text("0123456789.", min_size=1), st.integers(0, 2), min_size=1, max_size=60),
    st.floats(0.05, 0.5),
    st.randoms(use_true_random=False),
)
def test_the_held_out_split_is_stratified_and_does_not_depend_on_the_order_of_studies(
    labels: dict[str, int], fraction: float, luck: random.Random
) -> None:
    parts = split(labels, fraction, 7, "lyon")
    shuffled = dict(luck.sample(sorted(labels.items()), len(labels)))
    assert split(shuffled, fraction, 7, "lyon") == parts
    assert sorted(parts.train + parts.test) == sorted(labels)
    for label in set(labels.values()):
        count = sum(1 for its in labels.values() if its == label)
        tested = sum(1 for uid in parts.test if labels[uid] == label)
        assert tested == min(round(count * fraction), count - 1)
