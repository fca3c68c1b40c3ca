"""What a cohort is a function of: its content key, and the seeds of its parts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from emulator.topology.resolved import Cohort, Site
from nodes import pacs
from nodes.warehouse import Warehouse

GENERATOR = 1
"""The version of everything that decides a pixel, a UID or an attribute. Raise it with every change of those, and every
cached cohort is baked anew."""


def key(cohort: Cohort, site_name: str, seed: int, flavour: str, kept: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The name under which a site's baked storage is cached: 32 hexadecimal digits.

    `kept` is what the flavour's profile adds to it (`PacsFlavour.storage_key`).
    """
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
        **({"kept": dict(kept)} if kept else {}),
        **({"defects": dict(cohort.defects)} if cohort.defects else {}),
        **(_taken(cohort) if cohort.kind == "imported" else {}),
    }
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:32]


def _taken(cohort: Cohort) -> dict[str, Any]:
    """What an imported cohort is a function of besides."""
    return {"source": cohort.source, "content": cohort.content, "skip": dict(cohort.skip)}


def key_of(site: Site, seed: int) -> str:
    """The same of a site as the topology has it; raises UnknownName for its flavour."""
    flavour = pacs.get(site.pacs.flavour)
    if isinstance(site, Warehouse):
        own = {"flavour": flavour.name, "kept": dict(flavour.storage_key(site.pacs))}
        own["parts"] = [key_of(replace(part, pacs=site.pacs), seed) for part in site.parts]
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:32]
    return key(site.cohort, site.name, seed, flavour.name, flavour.storage_key(site.pacs))


def entropy(seed: int, site_name: str, purpose: str) -> list[int]:
    """The entropy of one purpose at one site, for numpy's SeedSequence: stable, and independent of every other."""
    digest = hashlib.sha256(f"{site_name}/{purpose}".encode()).digest()
    return [seed, *(int.from_bytes(digest[at : at + 4]) for at in range(0, 32, 4))]
