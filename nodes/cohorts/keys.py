"""What a cohort is a function of: its content key, and the seeds of its parts."""

import hashlib
import json

from emulator.topology.resolved import Cohort

GENERATOR = 1
"""The version of everything that decides a pixel, a UID or an attribute. Raise it with every change of those, and every
cached cohort is baked anew."""


def key(cohort: Cohort, site_name: str, seed: int, flavour: str) -> str:
    """The name under which a site's baked storage is cached: 32 hexadecimal digits."""
    spec = {
        "generator": GENERATOR,
        "site": site_name,
        "seed": seed,
        "flavour": flavour,
        "kind": cohort.kind,
        "studies": cohort.studies,
        "classes": dict(cohort.classes),
        "scanner": cohort.scanner,
        "modalities": sorted(cohort.modalities),
        "storage": cohort.storage,
    }
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:32]


def entropy(seed: int, site_name: str, purpose: str) -> list[int]:
    """The entropy of one purpose at one site, for numpy's SeedSequence: stable, and independent of every other."""
    digest = hashlib.sha256(f"{site_name}/{purpose}".encode()).digest()
    return [seed, *(int.from_bytes(digest[at : at + 4]) for at in range(0, 32, 4))]
