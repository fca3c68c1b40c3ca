"""What a run's record forces on a strict replay: who trained for each round, and what was put together."""

import json
from collections.abc import Iterable

from trainer import algorithms
from trainer.config import Scripted, Used
from trainer.errors import CannotReplay
from trainer.record.log import Event
from trainer.record.reader import Run


def script(run: Run) -> tuple[Scripted, ...]:
    """One entry a whole round. Raises `CannotReplay` where the log does not tell how a round was put together."""
    rows = run.connection.execute("SELECT round, participants FROM rounds ORDER BY round")
    participants = {number: tuple(json.loads(sites)) for number, sites in rows}
    if run.config().training.mode == "centralised":  # one worker, at the hub: nothing to force
        return ()
    if not algorithms.get(run.config().training.algorithm).exchanges:
        return tuple(Scripted(round=number, train=sites, use=()) for number, sites in participants.items())
    return scripted(participants, run.events(), run.folder.name)


def scripted(rounds: Iterable[int], events: Iterable[Event], run: str) -> tuple[Scripted, ...]:
    """The same from the events. Of a round that was tried again, or lost with the hub, only the last attempt counts."""
    put_together = {event["round"]: event["updates"] for event in events if event["event"] == "aggregated"}
    numbers = tuple(rounds)
    if lacking := [number for number in numbers if number not in put_together]:
        raise CannotReplay(
            f"run {run} can't be replayed strictly: its log does not tell how round {lacking[0]} was put together; an "
            "older version made it, or its log was cut. Leave out --strict"
        )
    used = {
        number: tuple(Used(site=one["site"], round=one["round"], share=one["share"]) for one in put_together[number])
        for number in numbers
    }
    trained: dict[int, set[str]] = {number: set() for number in numbers}
    for updates in used.values():
        for one in updates:
            trained[one.round].add(one.site)
    return tuple(Scripted(round=n, train=tuple(sorted(trained[n])), use=used[n]) for n in numbers)
