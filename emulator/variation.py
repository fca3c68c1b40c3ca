"""Links that change over time: what a link is at a moment, and when it changes next. Pure, and plain Python.

Values come from four places; the later ones are laid over the earlier ones: the profile, the trace of the direction,
the episodes of the schedule in their order, and what was changed by hand while the world was up.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Literal

from emulator.topology.resolved import Change, Direction, Episode, Link, Trace

Way = Literal["down", "up"]
WAYS: tuple[Way, Way] = ("down", "up")
NO_CHANGE = Change()
UNCHANGED = (NO_CHANGE, NO_CHANGE)
_TICK_S = 1e-6  # a moment that is nearer than this has come: sums of floats that should be equal are not


def changed(direction: Direction, change: Change) -> Direction:
    """A direction with other values.

    Its queue keeps at least the bytes that it had, as a modem's memory does when the line gets slower; a jitter that
    was not told anew is held to the delay, and nothing overtakes where nothing waits.
    """
    values = {field.name: getattr(change, field.name) for field in fields(Change) if field.name != "bursts"}
    told = {name: value for name, value in values.items() if value is not None}
    if change.loss is not None:
        told["bursts"] = change.bursts
    if told.get("rate_bps") == 0:  # an outage: what comes is lost, what waits goes on
        told |= {"rate_bps": direction.rate_bps, "loss": 1.0, "bursts": None}
    other = replace(direction, **told)
    return replace(
        other,
        queue_s=max(direction.queue_s, direction.queue_s * direction.rate_bps / other.rate_bps),
        jitter_s=min(other.jitter_s, other.delay_s) if other.delay_s != direction.delay_s else other.jitter_s,
        reorder=other.reorder if other.delay_s else 0.0,
    )


def over(first: Change, second: Change) -> Change:
    """Two changes as one, of which the second has the last word."""
    told = {field.name: getattr(second, field.name) for field in fields(Change) if field.name != "bursts"}
    merged = replace(first, **{name: value for name, value in told.items() if value is not None})
    return replace(merged, bursts=second.bursts) if second.loss is not None else merged


def at(link: Link, traces: Mapping[str, Trace], clock_s: float, by_hand: tuple[Change, Change] = UNCHANGED) -> Link:
    """A link as it is at a moment of the links' clock (s); `by_hand` are its changes down and up."""
    now_s = clock_s + _TICK_S
    down, up = (
        changed(getattr(link, way), over(_by_itself(link, way, traces, now_s), hand))
        for way, hand in zip(WAYS, by_hand, strict=True)
    )
    return replace(link, down=down, up=up)


def next_after(link: Link, traces: Mapping[str, Trace], clock_s: float) -> float:
    """The first moment (s) after `clock_s` when a link changes by itself; infinity for never."""
    now_s = clock_s + _TICK_S
    moments = [moment for episode in link.schedule for moment in _moments(episode, now_s)]
    moments += [_next_step(traces[name], now_s) for name in {link.down_trace, link.up_trace} if name]
    return min((moment for moment in moments if moment > now_s), default=math.inf)


def _by_itself(link: Link, way: Way, traces: Mapping[str, Trace], clock_s: float) -> Change:
    name = link.down_trace if way == "down" else link.up_trace
    change = _step(traces[name], clock_s) if name else NO_CHANGE
    for episode in link.schedule:
        if _is_on(episode, clock_s):
            change = over(change, episode.down if way == "down" else episode.up)
    return change


def _is_on(episode: Episode, clock_s: float) -> bool:
    since = clock_s - episode.at_s
    if episode.every_s is not None:
        since = since % episode.every_s if since >= 0 else since
    return since >= 0 and (episode.for_s is None or since < episode.for_s)


def _moments(episode: Episode, clock_s: float) -> Iterator[float]:
    """Beginnings and ends of an episode, around and after a moment."""
    first = episode.at_s
    if episode.every_s is not None:
        first += episode.every_s * max(0, math.floor((clock_s - episode.at_s) / episode.every_s))
    for begin in (first, first + episode.every_s) if episode.every_s is not None else (first,):
        yield begin
        if episode.for_s is not None:
            yield begin + episode.for_s


def _step(trace: Trace, clock_s: float) -> Change:
    number = bisect_right(trace.at_s, clock_s % trace.period_s) - 1
    return Change(
        rate_bps=trace.rate_bps[number] if trace.rate_bps else None,
        delay_s=trace.delay_s[number] if trace.delay_s else None,
        loss=trace.loss[number] if trace.loss else None,
    )


def _next_step(trace: Trace, clock_s: float) -> float:
    begun = math.floor(clock_s / trace.period_s) * trace.period_s
    number = bisect_right(trace.at_s, clock_s % trace.period_s)
    return begun + (trace.at_s[number] if number < len(trace.at_s) else trace.period_s)
