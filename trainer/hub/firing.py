"""Which faults of a run happen in which round, at which sites: drawn from the run's seed, the same every time. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.faults import registry
from emulator.topology.resolved import PlannedFault
from trainer import seeds
from trainer.record.rounds import Happened

Key = tuple[int, int, tuple[str, ...]]
"""What a firing is known by, in all lives of a run: its entry, its occurrence, and where it is."""


@dataclass(frozen=True)
class Firing:
    """A fault that is to happen: number `entry` of the run's faults. `occurrence` is the round, 0 for one at a time."""

    entry: int
    occurrence: int
    fault: PlannedFault
    on: tuple[str, ...]

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.entry, self.occurrence, self.on


def of_round(faults: Sequence[PlannedFault], number: int, seed: int) -> list[Firing]:
    """Those of one round, in the order of the document."""
    return [
        firing
        for entry, fault in enumerate(faults)
        if fault.trigger.in_round(number)
        for firing in _drawn(entry, number, fault, seed)
    ]


def timed(faults: Sequence[PlannedFault], seed: int) -> list[Firing]:
    """Those at a time, the earliest first."""
    found = [
        firing
        for entry, fault in enumerate(faults)
        if fault.trigger.at_s is not None
        for firing in _drawn(entry, 0, fault, seed)
    ]
    return sorted(found, key=lambda firing: (firing.fault.trigger.at_s, firing.entry))


def _drawn(entry: int, occurrence: int, fault: PlannedFault, seed: int) -> Iterator[Firing]:
    """All sites as one where the fault is one thing; else each by itself where each comes to its moment by itself."""
    on = tuple(site for site in fault.on if _happens(entry, occurrence, site, fault.chance, seed))
    alone = fault.trigger.moment not in (None, "aggregate") and not registry.get(fault.fault).joint
    for sites in [(site,) for site in on] if alone else [on] if on else []:
        yield Firing(entry, occurrence, fault, sites)


def _happens(entry: int, occurrence: int, site: str, chance: float, seed: int) -> bool:
    return chance >= 1 or float(seeds.generator(seed, f"fault-{entry}/{occurrence}/{site}").random()) < chance


def unkept(events: Sequence[dict[str, Any]], last: int) -> list[Happened]:
    """What a run's log has of rounds after the `last` whole one: a later life of the run keeps it with its own."""
    refused = {event["id"]: event["why"] for event in events if event.get("event") == "fault-refused"}
    return [
        Happened(
            id=event["id"],
            fault=event["fault"],
            on=tuple(event["on"]),
            settings=event["settings"],
            trigger=event["trigger"],
            started=event["time"],
            emulated_s=event["emulated_s"],
            for_s=event["for_s"],
            refused=refused.get(event["id"]),
        )
        for event in events
        if event.get("event") == "fault-started" and "entry" in event and event["round"] > last
    ]


def fired(events: Iterable[dict[str, Any]]) -> dict[Key, str]:
    """What a run's log says of firings before: none happens twice in a run. Their ids."""
    return {
        (event["entry"], event["occurrence"], tuple(event["on"])): event["id"]
        for event in events
        if event.get("event") == "fault-started" and "entry" in event
    }
