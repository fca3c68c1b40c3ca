"""The worker's disk: prepared samples by study UID, and models by hash; everything is checked when it is used."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np

from trainer.tasks.registry import Sample

_DIGEST_BYTES = 32
_DTYPE = np.dtype("<f2")
_HEADER = np.dtype("<i4")
_UID = re.compile(r"[0-9A-Za-z.]{1,64}")


class Shelf:
    """Samples of one task's view, one file a study: the SHA-256 of the rest, label, four dimensions, then
    float16 values.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, uid: str) -> bool:
        """Whether there is a file for this study, sound or not."""
        return self._path(uid).exists()

    def get(self, uid: str) -> Sample | None:
        """The sample; None where it is not there or is damaged (a damaged file is taken away)."""
        path = self._path(uid)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        body = memoryview(data)[_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != data[:_DIGEST_BYTES]:
            path.unlink(missing_ok=True)
            return None
        label, *shape = (int(number) for number in np.frombuffer(body, _HEADER, count=5))
        values = np.frombuffer(body, _DTYPE, offset=5 * _HEADER.itemsize).reshape(shape)
        return Sample(values, label)

    def put(self, uid: str, sample: Sample) -> None:
        """Keep a sample; the file is there whole or not at all."""
        header = np.array([sample.label, *sample.values.shape], dtype=_HEADER).tobytes()
        body = header + sample.values.astype(_DTYPE).tobytes()
        _replace(self._path(uid), hashlib.sha256(body).digest() + body)

    def _path(self, uid: str) -> Path:
        # A UID comes from a PACS: it names a file only if it looks like one.
        name = uid if _UID.fullmatch(uid) and uid.strip(".") else hashlib.sha256(uid.encode()).hexdigest()
        return self._folder / name


class Home:
    """A site's own models, by hash; the last few, so that a run that lost a round can go back to the one before."""

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self._folder = folder
        self._keep = keep
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, sha256: str) -> bytes | None:
        """A model's file; None where it is not there or is damaged."""
        try:
            data = (self._folder / sha256).read_bytes()
        except FileNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def put(self, data: bytes) -> str:
        """Keep a model; its SHA-256."""
        name = hashlib.sha256(data).hexdigest()
        _replace(self._folder / name, data)
        os.utime(self._folder / name)
        newest_first = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for old in newest_first[self._keep :]:
            old.unlink()
        return name


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(data)
    draft.rename(path)
