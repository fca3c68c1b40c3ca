"""What is kept of one round."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Time:
    """Seconds of one phase at one site; `modelled` where its compute profile says so."""

    site: str
    phase: str
    seconds: float
    modelled: bool


@dataclass(frozen=True)
class Bytes:
    """Bytes of one purpose at one site, seen from the site; packets where they were counted on the wire."""

    site: str
    purpose: str
    rx: int
    tx: int
    rx_packets: int = 0
    tx_packets: int = 0


@dataclass(frozen=True)
class RoundRecord:
    """One whole round. `participants` are the sites whose update is in the model. `missing` says why a site's
    part is not whole: a site that was lost after its update is named in both. `metrics` are by site; '' is
    over all.
    """

    number: int
    started: str
    wall_s: float
    emulated_s: float
    emulated_end_s: float
    model_sha256: str
    fidelity: Literal["ok", "exceeded"]
    participants: tuple[str, ...]
    missing: Mapping[str, str]
    metrics: Mapping[str, Mapping[str, float]]
    times: tuple[Time, ...]
    payload: tuple[Bytes, ...]
    wire: tuple[Bytes, ...]
