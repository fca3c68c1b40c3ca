"""Processes of a world as faults see them: a site's PACS, its worker, the hub."""

import signal
import sys
from dataclasses import replace
from pathlib import Path

from emulator.faults.fault import HUB, Plan, Request, Scene
from emulator.inside.agent import pin
from emulator.machines import Placed, namespace
from emulator.places import HUB_PROCESS, WORKER_PROCESS
from emulator.worlds.record import service_folder

_BEAT_S = 0.1


def signalled(number: signal.Signals, who: Request, must: str | None = None) -> Request:
    """A signal to `who`; `must`: what is wrong where there is nobody."""
    return {"op": "signal", "number": int(number), "must": must, **who}


def trainers(target: str) -> Request:
    """A site's worker, or the hub."""
    if target == HUB:
        return {"pin": pin(HUB), "name": HUB_PROCESS}
    return {"pin": pin(f"{target}/worker"), "name": WORKER_PROCESS}


def nobody(target: str) -> str:
    """What is said where a trainer's process is not there."""
    return f"no {'hub' if target == HUB else 'worker'} runs at {target}: nothing is trained in this world now"


def folder_of_pacs(scene: Scene, target: str) -> Request:
    """A site's archive."""
    return {"folder": str(service_folder(scene.folder, scene.pacs(target).name))}


def revived(scene: Scene, target: str) -> Request:
    """A site's archive runs again, if it does not."""
    service = scene.pacs(target)
    launch = namespace.launch(Placed(service, service_folder(scene.folder, service.name), scene.site(target)))
    return {"op": "revive", "launches": [launch]}


def stopped(who: Request, nobody: str) -> Plan:
    """All processes of `who` stand still until they go on where they were."""
    return Plan((signalled(signal.SIGSTOP, who, nobody),), (signalled(signal.SIGCONT, who),))


def slowed(who: Request, nobody: str, share: float) -> Plan:
    """Processes of `who` run for a share of the time only."""
    plan = stopped(who, nobody)
    return replace(plan, beat_s=(_BEAT_S * (1 - share), _BEAT_S * share))


def limited(who: Request, target: str, limit: str, room: int, holds: tuple[str, ...]) -> Plan:
    """The trainer's process at a target may have so many bytes more of something, and no more."""
    step = {"op": "limit", "limit": limit, **who}
    return Plan(({**step, "room": room, "must": nobody(target)},), ({**step, "room": None, "must": None},), holds)


def program(module: str, *arguments: str) -> Request:
    """One of our own programs, which the agent runs: it has the libraries that the agent has not."""
    argv = [sys.executable, "-m", module, *arguments]
    return {"op": "run-program", "argv": argv, "env": {"PYTHONPATH": str(Path(__file__).parents[2])}}
