"""Random choices of a topology: each has a stream of its own, named by its site and its purpose.

So a draw depends on the seed and on the site's name alone: sites added, taken away or moved change nothing elsewhere.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from emulator.topology.document import ClassShares, Dirichlet, StudyRange

CLASSES = ("control", "mci", "ad")


def stream(seed: int, site: str, purpose: str) -> np.random.Generator:
    """The random numbers for one purpose at one site: numpy's SeedSequence, spawned by SHA-256 of `site/purpose`."""
    digest = hashlib.sha256(f"{site}/{purpose}".encode()).digest()
    key = tuple(int(word) for word in np.frombuffer(digest, dtype="<u4"))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def studies(asked: int | StudyRange, seed: int, site: str) -> int:
    """How many studies a site has."""
    if isinstance(asked, int):
        return asked
    return int(stream(seed, site, "studies").integers(asked.min, asked.max, endpoint=True))


def scanner(asked: str | Sequence[str], seed: int, site: str) -> str:
    """Which scanner a site has; a name that comes twice in the list is twice as likely."""
    if isinstance(asked, str):
        return asked
    return asked[int(stream(seed, site, "scanner").integers(len(asked)))]


def classes(asked: ClassShares | Dirichlet, count: int, seed: int, site: str) -> Mapping[str, int]:
    """How many of a site's `count` studies are of each class."""
    if isinstance(asked, ClassShares):
        return apportioned(count, (asked.control, asked.mci, asked.ad))
    concentrations = [asked.dirichlet] * len(CLASSES)
    return apportioned(count, [float(share) for share in stream(seed, site, "classes").dirichlet(concentrations)])


def shares(asked: ClassShares | Dirichlet, among: Sequence[str], seed: int, site: str) -> Mapping[str, float]:
    """A site's shares of the classes `among` which it draws; those of the written form may name others too."""
    if isinstance(asked, ClassShares):
        return {name: share for name, share in dict(asked).items() if share}
    drawn = stream(seed, site, "classes").dirichlet([asked.dirichlet] * len(among))
    return dict(zip(among, map(float, drawn), strict=True))


def apportioned(count: int, shares: Sequence[float], names: Sequence[str] = CLASSES) -> Mapping[str, int]:
    """Whole studies by class, nearest to the shares, adding up to `count`: largest remainders, then earlier classes."""
    exact = [count * share / sum(shares) for share in shares]
    counts = [int(quota) for quota in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder[: count - sum(counts)]:
        counts[i] += 1
    return dict(zip(names, counts, strict=True))


def defects(shares: Mapping[str, float], count: int) -> Mapping[str, int]:
    """How many of `count` studies have each defect: the nearest whole number, but one at least.

    Where that is more than there are studies, kinds that come later in the alphabet have fewer.
    """
    left, counts = count, {}
    for kind, share in sorted(shares.items()):
        counts[kind] = min(max(1, round(share * count)), left)
        left -= counts[kind]
    return {kind: number for kind, number in counts.items() if number}
