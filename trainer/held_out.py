"""Which subjects a site keeps for testing: the same ones in every round and every run of a seed."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainer import seeds


@dataclass(frozen=True)
class Split:
    """UIDs, each part sorted."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def split(labels: Mapping[str, int], test_fraction: float, seed: int, site: str) -> Split:
    """Draws the test subjects of every class (stratified), from the seed and the sorted UIDs alone.

    A class of n subjects gives round(n × fraction) of them, and keeps at least one to train on.
    """
    draw = seeds.generator(seed, f"{site}/held-out")
    test: list[str] = []
    for label in sorted(set(labels.values())):
        members = sorted(uid for uid, its in labels.items() if its == label)
        count = min(round(len(members) * test_fraction), len(members) - 1)
        test.extend(members[i] for i in draw.permutation(len(members))[:count])
    return Split(tuple(sorted(labels.keys() - set(test))), tuple(sorted(test)))
