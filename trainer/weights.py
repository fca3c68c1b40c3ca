"""Models as bytes: float32 tensors by name, in safetensors' format, known by the SHA-256 of the file."""

import hashlib
import json
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from trainer.errors import UpdateRefused

Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]

_NOTE = "note"  # one key: the format keeps several in no particular order, and bytes must not depend on luck


def pack(weights: Mapping[str, npt.NDArray[np.float32]], note: Mapping[str, float] | None = None) -> bytes:
    """The file of these tensors; the same tensors and note give the same bytes."""
    metadata = None if note is None else {_NOTE: json.dumps(dict(note), sort_keys=True)}
    data: bytes = save(dict(weights), metadata)
    return data


def unpack(data: bytes) -> Weights:
    """The tensors of a file. Raises `UpdateRefused` where it is not safetensors."""
    try:
        return dict(load(data))
    except (SafetensorError, ValueError, KeyError) as error:
        raise UpdateRefused(f"not a safetensors file of {len(data)} bytes: {error}") from error


def note(data: bytes) -> dict[str, float]:
    """The note that `pack` put into a file; empty where there is none. Raises `UpdateRefused` where the
    header can't be read.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        return {str(key): float(value) for key, value in json.loads(header["__metadata__"][_NOTE]).items()}
    except KeyError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise UpdateRefused(f"the header of the update can't be read: {error}") from error


def sha256(data: bytes) -> str:
    """The name of these bytes: SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def refuse_misfits(weights: Weights, like: Weights) -> None:
    """Raises `UpdateRefused` unless `weights` has the tensors of `like`, of the same shapes, in float32, all
    finite.
    """
    if weights.keys() != like.keys():
        odd = sorted(weights.keys() ^ like.keys())
        raise UpdateRefused(f"expected the model's {len(like)} tensors; these are missing or too many: {odd}")
    for name, expected in like.items():
        found = weights[name]
        if found.shape != expected.shape or found.dtype != np.float32:
            raise UpdateRefused(
                f"tensor '{name}' is {found.dtype}{list(found.shape)}; expected float32{list(expected.shape)}"
            )
        if not np.isfinite(found).all():
            raise UpdateRefused(f"tensor '{name}' has values that are not finite; try a smaller learning rate")
