"""What is not the same in two runs: pure functions on what their records tell."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from trainer.record import Run

BYTES_SHARE, BYTES_LEAST = 0.05, 20_000  # retransmissions and keep-alives are never the same to the byte
SECONDS_SHARE, SECONDS_LEAST = 0.1, 0.5
APART_S = 0.25  # arrivals that are nearer than this have no order that means anything

Difference = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """One round as it was recorded: `wire` is bytes by purpose, `arrived` the emulated moment of each site's update."""

    round: int
    participants: tuple[str, ...]
    late: tuple[str, ...]
    emulated_s: float
    model_sha256: str
    wire: Mapping[str, int]
    arrived: Mapping[str, float]


def told(run: Run) -> list[Told]:
    """Every whole round of a run."""
    wire = {entry["round"]: _wire(entry["sites"]) for entry in run.cost()["rounds"]}
    arrived: dict[int, dict[str, float]] = {}
    for event in run.events():
        if event["event"] == "arrival" and event["what"] == "update":
            arrived.setdefault(event["round"], {})[event["site"]] = event["emulated_s"]
    return [
        Told(
            number := entry["round"],
            tuple(entry["participants"]),
            tuple(sorted(entry["late"])),
            entry["emulated_s"],
            entry["model_sha256"],
            wire.get(number, {}),
            arrived.get(number, {}),
        )
        for entry in run.summary()["rounds"]
    ]


def _wire(sites: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, int]:
    added: dict[str, int] = {}
    for purposes in sites.values():
        for purpose, counts in purposes.items():
            added[purpose] = added.get(purpose, 0) + counts["rx_wire"] + counts["tx_wire"]
    return added


def of_models(recorded: Sequence[Told], replayed: Sequence[Told]) -> list[Difference]:
    """Where the models differ: what a strict replay promises to be the same."""
    return [*_of_length(recorded, replayed), *(found for pair in _pairs(recorded, replayed) for found in _model(*pair))]


def of_runs(recorded: Sequence[Told], replayed: Sequence[Told]) -> list[Difference]:
    """All that differs: who took part, whose update was late, their order, bytes, times, and the models."""
    found = _of_length(recorded, replayed)
    for before, after in _pairs(recorded, replayed):
        found += [
            *_lists(before.round, "participants", before.participants, after.participants),
            *_lists(before.round, "late", before.late, after.late),
            *_order(before, after),
            *_bytes(before, after),
            *_seconds(before, after),
            *_model(before, after),
        ]
    return found


def _pairs(recorded: Sequence[Told], replayed: Sequence[Told]) -> Iterable[tuple[Told, Told]]:
    return zip(recorded, replayed, strict=False)  # how many there are is a difference of its own


def _of_length(recorded: Sequence[Told], replayed: Sequence[Told]) -> list[Difference]:
    lengths = len(recorded), len(replayed)
    return [] if lengths[0] == lengths[1] else [_difference(min(lengths) + 1, "rounds", *lengths)]


def _difference(number: int, what: str, recorded: object, replayed: object) -> Difference:
    return {"round": number, "what": what, "recorded": recorded, "replayed": replayed}


def _model(before: Told, after: Told) -> Iterator[Difference]:
    if before.model_sha256 != after.model_sha256:
        yield _difference(before.round, "model_sha256", before.model_sha256, after.model_sha256)


def _lists(number: int, what: str, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Difference]:
    if before != after:
        yield _difference(number, what, list(before), list(after))


def _order(before: Told, after: Told) -> Iterator[Difference]:
    """Where two updates changed places, by more than chance."""
    both = sorted(before.arrived.keys() & after.arrived.keys())
    if any(
        abs(then := before.arrived[one] - before.arrived[other]) > APART_S
        and abs(now := after.arrived[one] - after.arrived[other]) > APART_S
        and (then > 0) != (now > 0)
        for one, other in combinations(both, 2)
    ):
        orders = (sorted(both, key=side.arrived.__getitem__) for side in (before, after))
        yield _difference(before.round, "order", *orders)


def _bytes(before: Told, after: Told) -> Iterator[Difference]:
    for purpose, counted in before.wire.items():
        again = after.wire.get(purpose, 0)
        if abs(again - counted) > BYTES_LEAST + BYTES_SHARE * counted:
            yield _difference(before.round, f"{purpose} bytes", counted, again)


def _seconds(before: Told, after: Told) -> Iterator[Difference]:
    if abs(after.emulated_s - before.emulated_s) > SECONDS_LEAST + SECONDS_SHARE * before.emulated_s:
        yield _difference(before.round, "emulated_s", round(before.emulated_s, 3), round(after.emulated_s, 3))
