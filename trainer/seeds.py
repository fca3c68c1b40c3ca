"""Every random choice derives from the run's one integer by name, so that none depends on the order of another."""

import hashlib

import numpy as np


def sequence(seed: int, name: str) -> np.random.SeedSequence:
    """The seed sequence of a purpose, e.g. `lyon/batches/round-3`: keyed by the seed and the SHA-256 of the name."""
    words = np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype="<u4")
    return np.random.SeedSequence([seed, *(int(word) for word in words)])


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator for one purpose (PCG64)."""
    return np.random.Generator(np.random.PCG64(sequence(seed, name)))


def integer(seed: int, name: str) -> int:
    """One integer of 63 bits, for libraries that want a seed of their own."""
    return int(sequence(seed, name).generate_state(1, np.uint64)[0] >> np.uint64(1))
