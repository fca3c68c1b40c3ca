"""What the player of a world plays: the links that vary, as it finds them in the world's folder. Plain Python."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emulator import lanes, live
from emulator.lanes import Lane, Lanes
from emulator.topology.resolved import Direction, Episode, FourState, GilbertElliott, Link, Topology, Trace

FILE = "score.json"


@dataclass(frozen=True)
class Part:
    """One site's link and its lanes in the router."""

    link: Link
    lanes: Lanes


@dataclass(frozen=True)
class Score:
    """Everything that varies in a world: parts by site, and the traces that they name."""

    wan: str
    parts: Mapping[str, Part]
    traces: Mapping[str, Trace]


def compose(topology: Topology, wan: str) -> Score | None:
    """The score of a topology on a WAN kernel; None where nothing varies."""
    of_site = lanes.lanes(topology)
    parts = {site.name: Part(site.link, of_site[site.name]) for site in topology.sites if site.link.varies}
    return Score(wan, parts, topology.traces) if parts else None


def dump(score: Score) -> str:
    return json.dumps(asdict(score), allow_nan=False)


def read(folder: Path) -> Score:
    """The score in a world's folder, as `dump` wrote it."""
    kept = json.loads((folder / FILE).read_text())
    parts = {site: _part(part) for site, part in kept["parts"].items()}
    return Score(kept["wan"], parts, {name: _trace(trace) for name, trace in kept["traces"].items()})


Kept = dict[str, Any]


def _part(kept: Kept) -> Part:
    return Part(_link(kept["link"]), {way: _lane(lane) for way, lane in kept["lanes"].items()})


def _lane(kept: Kept) -> Lane:
    return Lane(**{**kept, "beyond": tuple(_direction(direction) for direction in kept["beyond"])})


def _link(kept: Kept) -> Link:
    ways = {way: _direction(kept[way]) for way in ("down", "up")}
    return Link(**{**kept, **ways, "schedule": tuple(_episode(episode) for episode in kept["schedule"])})


def _direction(kept: Kept) -> Direction:
    bursts = kept["bursts"]
    if bursts is not None:
        bursts = GilbertElliott(**bursts) if "to_bad" in bursts else FourState(**bursts)
    return Direction(**{**kept, "bursts": bursts})


def _episode(kept: Kept) -> Episode:
    return Episode(**{**kept, **{way: live.revived(kept[way]) for way in ("down", "up")}})


def _trace(kept: Kept) -> Trace:
    columns = {name: tuple(kept[name]) for name in ("at_s", "rate_bps", "delay_s", "loss")}
    return Trace(**{**kept, **columns})
