"""Which studies of an imported cohort a site has, and their files as its PACS gets them."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom

from emulator.topology.resolved import Cohort
from nodes.dicom import labels
from nodes.dicom.archive import packed
from nodes.errors import TestbedError, WrongState
from nodes.imports.store import Store, imported
from nodes.phantoms.classes import Label

_ARCHIVE_BYTES = 64 * 2**20  # a study of thousands of slices never lies in memory whole


def chosen(store: Store, cohort: Cohort, seed: int) -> list[str]:
    """The UIDs of a site's studies, in a random order of the seed's: of each label, so many after those to skip."""
    uids = []
    for label, count in sorted(cohort.classes.items()):
        every = store.studies(label)
        _random(seed, cohort.source, label).shuffle(every)
        first = cohort.skip.get(label, 0)
        uids += every[first : first + count]
    _random(seed, cohort.source, f"order after {sorted(cohort.skip.items())}").shuffle(uids)
    return uids


def archives(folder: Path, cohort: Cohort, seed: int) -> Iterator[Iterator[bytes]]:
    """Each study of a site as zips of its files, made one by one.

    Raises WrongState where the cohort is not the one that was meant.
    """
    if imported(folder).content != cohort.content:
        raise WrongState(f"cohort '{cohort.source}' has changed since the topology was read; run the command again")
    with Store(folder) as store:
        uids = chosen(store, cohort, seed)
        if len(uids) != cohort.studies:
            raise TestbedError(f"cohort '{cohort.source}' gave {len(uids)} studies, not {cohort.studies}")
        for uid in uids:
            yield _archives_of(store, uid)


def _archives_of(store: Store, study: str) -> Iterator[bytes]:
    label = store.lacking_label(study)
    contents: list[bytes] = []
    size = 0
    for path, digest in store.files(study):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise WrongState(f"{path} is not what was imported any more; take it away, and import its source again")
        contents.append(_labelled(content, label) if label else content)
        size += len(content)
        if size > _ARCHIVE_BYTES:
            yield packed(contents)
            contents, size = [], 0
    if contents:
        yield packed(contents)


def _labelled(content: bytes, label: Label) -> bytes:
    """The file with the label that a table gave its study: a worker learns from DICOM, and from nothing else."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    labels.write(dataset, label)
    written = io.BytesIO()
    dataset.save_as(written)
    return written.getvalue()


def _random(seed: int, source: str, purpose: str) -> np.random.Generator:
    digest = hashlib.sha256(f"imported/{source}/{purpose}".encode()).digest()
    return np.random.default_rng([seed, *digest])
