"""Faults in a world that is up: begun through its agent, which ends them by itself."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from emulator.errors import WrongState
from emulator.faults.asking import asked
from emulator.faults.fault import Scene
from emulator.faults.registry import get
from emulator.inside.keeper import Kept, kept
from emulator.places import Service
from emulator.reach import Agent
from emulator.topology.resolved import Topology
from emulator.worlds.record import WorldRecord, kept_topology


class Faults:
    """The faults of the world in `folder`. Needs no lock: the world's agent does one thing after another."""

    def __init__(self, folder: Path, topology: Topology, services: Sequence[Service]) -> None:
        self._folder = folder
        self._topology = topology
        self._services = tuple(services)
        self._agent = Agent(folder)

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Those of the world that lies in a folder. Raises `WrongState` where there is none."""
        record = WorldRecord.read(folder)
        if record is None:
            raise WrongState(f"there is no world in {folder}")
        return cls(folder, kept_topology(folder), record.services)

    def on(self) -> tuple[Kept, ...]:
        """Those that are on now, the oldest first."""
        return tuple(kept(self._folder))

    def begin(
        self, name: str, on: Sequence[str], settings: Mapping[str, str], for_s: float, called: str | None = None
    ) -> str:
        """Begin a fault at its targets, sites or `hub`; its id, which may be `called` beforehand. It is in force when
        this returns, and ends after `for_s` whoever lives then; one that has no end is over already.

        Raises `WrongInput` for what is not known here, `CannotHere`, `Fell` where it can't be: then nothing is changed.
        """
        fault = asked(name, settings, on, [site.name for site in self._topology.sites])
        scene = Scene(called or f"{name}-{secrets.token_hex(2)}", self._folder, self._topology, self._services)
        plan = fault.plan(scene, tuple(dict.fromkeys(on)))
        told = {"id": scene.id, "fault": name, "on": list(on), "settings": dict(settings)}
        steps = {"holds": plan.holds, "do": plan.do, "undo": plan.undo, "beat_s": plan.beat_s}
        self._agent.begin_fault({**told, **steps}, for_s if get(name).lasts else 0.0)
        return scene.id

    def end(self, ids: Sequence[str]) -> None:
        """End these before their time; those that are over are no matter. Raises `Fell` where one can't be undone."""
        self._agent.end_faults(ids)

    def leave(self, left_s: Mapping[str, float]) -> None:
        """Leave these so many seconds from now on, whatever was left of them."""
        self._agent.leave_faults(left_s)
