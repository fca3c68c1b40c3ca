"""The faults of a run that was recorded, as a plan for the same again: each at the moment when it happened."""

from collections.abc import Iterable
from typing import Any

from emulator.topology.resolved import PlannedFault, Trigger


def replayed(events: Iterable[dict[str, Any]]) -> tuple[PlannedFault, ...]:
    """The plan of a run's log: what was drawn is drawn no more. A fault that was refused is left out; one by hand comes
    at its time on the run's clock. Each fault counts once, by its id.
    """
    refused: set[str] = set()
    found: dict[str, PlannedFault] = {}
    for event in events:
        if event.get("event") == "fault-refused":
            refused.add(event["id"])
        elif event.get("event") == "fault-started" and event["id"] not in found:
            found[event["id"]] = _again(event)
    return tuple(fault for name, fault in found.items() if name not in refused)


def _again(event: dict[str, Any]) -> PlannedFault:
    by_hand = "entry" not in event
    if by_hand or event["at_s"] is not None:
        trigger = Trigger(at_s=event["emulated_s"] or 0.0)  # the clock has not begun while the first round gathers
    else:
        trigger = Trigger(round=event["round"], moment=event["moment"], bytes=event["bytes"])
    settings = {key: str(value) for key, value in event["settings"].items()}
    return PlannedFault(event["fault"], tuple(event["on"]), trigger, event["for_s"] or None, 1.0, settings)
