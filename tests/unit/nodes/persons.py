"""Phantoms' persons, the same each time."""

import numpy as np

from nodes.phantoms.classes import Label
from nodes.phantoms.subjects import Subject, draw


def person(label: Label = "ad", number: int = 1) -> Subject:
    return draw(number, label, np.random.SeedSequence((7, number)))
