"""A training's progress for people, on stderr: a bar of rounds on a terminal, one line an event elsewhere."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import click

from testbed.progress import bars
from testbed.units import counted, percent, seconds

Event = Mapping[str, Any]


def followed(run: str, events: Iterable[Event]) -> str | None:
    """Shows events until there are no more; why the training failed, where an event said so."""
    why: list[str] = []
    heard = _listened(events, why)
    if sys.stderr.isatty():
        _with_a_bar(run, heard)
    else:
        for event in heard:
            if line := told(event):
                click.echo(line, err=True)
    return why[-1] if why else None


def _listened(events: Iterable[Event], why: list[str]) -> Iterator[Event]:
    for event in events:
        if event["event"] == "error" or event.get("state") == "failed":
            why.append(str(event["why"]))
        yield event


def _with_a_bar(run: str, events: Iterable[Event]) -> None:
    with bars() as progress:
        bar = progress.add_task(run, total=None)
        for event in events:
            if event["event"] == "started":
                progress.update(bar, total=event["rounds"], completed=event["first"] - 1)
            elif event["event"] == "round-started":
                progress.update(bar, description=f"{run} round {event['round']}")
            elif event["event"] == "round":
                progress.update(bar, completed=event["round"])
            if line := told(event):
                progress.console.print(line)


def told(event: Event) -> str | None:
    """An event as one line; None for those that nobody waits for."""
    say = _SAYINGS.get(event["event"])
    return say(event) if say else None


def _started(event: Event) -> str:
    left = event["rounds"] - event["first"] + 1
    return f"{event['run']}: {counted(left, 'round')} over {counted(event['sites'], 'site')}"


def _round(event: Event) -> str:
    metrics = event["metrics"]
    scores = [f"{name.replace('_', ' ')} {percent(metrics[name])}" for name in _SCORES if metrics.get(name) is not None]
    parts = [
        *scores,
        f"{counted(len(event['participants']), 'site')} took part",
        *([f"{counted(len(event['late']), 'late update')} counted"] if event.get("late") else []),
        f"{seconds(event['emulated_s'])} emulated, {seconds(event['wall_s'])} here",
        *([_exceeded(event)] if event["fidelity"] != "ok" else []),
    ]
    return f"round {event['round']} of {event['of']}: {'; '.join(parts)}"


def _overrun(event: Event) -> str:
    late: Mapping[str, float] = event["sites"]
    worst = max(late, key=late.__getitem__)
    return (
        f"round {event['round']}: too slow for the real clock at {counted(len(late), 'site')}, at {worst} by "
        f"{seconds(late[worst])}; compute profiles ask for more than this machine can do at once"
    )


def _exceeded(event: Event) -> str:
    """Also why, where the event says so."""
    return ": ".join(("fidelity exceeded", *event.get("fidelity_why", ())[:1]))


def _missing(event: Event) -> str:
    return f"round {event['round']}: {event['site']} is missing: {event['why']}"


def _lost(event: Event) -> str:
    return f"round {event['round']} is lost and tried again (attempt {event['attempt']} failed): {event['why']}"


def _cut(event: Event) -> str:
    torn = counted(event["bytes"], "byte")
    return f"the last {torn} of the run's log were torn and are cut off; what was lost is of the round that was on"


def _fault(event: Event) -> str:
    what = f"{event['fault']} on {', '.join(event['on'])}"
    if event["why"]:
        return f"round {event['round']}: {what} could not be: {event['why']}"
    lasting = f" for {seconds(event['for_s'])}" if event["for_s"] is not None else ""
    return f"round {event['round']}: {what}{lasting}"


_SCORES = ("balanced_accuracy", "worst_site_accuracy")
_SAYINGS: Mapping[str, Callable[[Event], str]] = {
    "started": _started,
    "round": _round,
    "missing": _missing,
    "overrun": _overrun,
    "round-lost": _lost,
    "log-cut": _cut,
    "fault": _fault,
}
