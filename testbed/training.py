"""A recorded training in a world: started, followed, and ended well."""

import json as decoder
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import trainer
from emulator.errors import TestbedError, WrongInput, WrongState
from emulator.topology import Training
from emulator.topology.resolved import PlannedFault
from emulator.topology.scenarios import load_scenario
from emulator.worlds import World, home
from testbed.following import followed
from testbed.launching import WORKERS, composed, recomposed
from testbed.output import complain
from testbed.overrides import overridden
from testbed.runs import opened

Event = Mapping[str, Any]
STOPS_WITHIN_S = 60.0
LOG = "trainer.log"
MODELS = "models"
LAST_WORDS = 8  # lines of the trainer's log that an error shows


class TrainerEnded(TestbedError):  # noqa: N818 - reads as the sentence it is
    """The trainer ended by itself before the last round; it ends the command with the trainer's own exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def fresh(
    name: str | None,
    task: str | None,
    algorithm: str | None,
    rounds: int | None,
    seed: int | None,
    settings: Sequence[str],
    scenarios: Sequence[Path] = (),
) -> str:
    """Trains anew over a world, with the faults of the topology and of scenarios in files; the run's id.

    Raises `WrongState` where the world is not up, `WrongInput`.
    """
    world = up(name)
    training = overridden(world.topology.training, task, algorithm, rounds, settings)
    if algorithm is not None and training.mode == "centralised":
        raise WrongInput(
            f"--algorithm {algorithm}: centralised training has none, one model is trained at the hub; "
            "leave it out, or give --set mode=federated"
        )
    chosen = world.topology.seed if seed is None else seed
    faults = [fault for path in scenarios for fault in load_scenario(path, world.topology, chosen)]
    return train(world, training, chosen, tuple(faults))


def again(run: str, name: str | None) -> str:
    """Goes on with an interrupted run, over the world that it ran on or another of the same topology; the run's id."""
    found = opened(run)
    if found.state == "done":
        complain(f"run {run} is done; there is nothing to go on with")
        return run
    world = up(name or found.entry()["world"])
    return trained(world, recomposed(world, run))


def train(world: World, training: Training, seed: int, faults: tuple[PlannedFault, ...] = ()) -> str:
    """Trains anew over a world that is up, with `faults` besides the topology's; the run's id."""
    return trained(world, composed(world, training, seed, (*world.topology.faults, *faults)))


def up(name: str | None) -> World:
    """The world of that name, or the only one. Raises `WrongState` where it is not up."""
    world = World.open(name)
    if world.state != "up":
        raise WrongState(f"world '{world.name}' is {world.state}; bring it up again by: testbed up TOPOLOGY")
    return world


def trained(world: World, config: Path) -> str:
    """Trains what a launch file says; the run's id. Raises `TrainerEnded`."""
    folder = config.parent
    trainer_there = _Trainer(world, config, folder / LOG)
    resume = f"testbed train --resume {folder.name}"
    try:
        why = followed(folder.name, trainer_there.events())
    except KeyboardInterrupt:
        trainer_there.stop()
        complain(f"run {folder.name} is interrupted; go on by: {resume}")
        raise
    if code := trainer_there.ended():
        why = why or f"it ended {_said(code)}; its last words:\n{_last_words(folder / LOG)}"
        raise TrainerEnded(f"run {folder.name}: {why}\nIts log: {folder / LOG}; to go on: {resume}", max(code, 1))
    _clear(folder)
    return folder.name


def _clear(folder: Path) -> None:
    """A run that is done pulls nothing any more: its workers' volumes may go; models that were kept at home stay."""
    for disk in (folder / WORKERS).glob("*/*"):
        if disk.name != MODELS:
            shutil.rmtree(disk)


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_WORDS:])


def _said(code: int) -> str:
    return f"with exit code {code}" if code > 0 else f"by {signal.Signals(-code).name}"


class _Trainer:
    """The trainer's process in a world. Its stdout carries events and is closed when its last child has ended."""

    def __init__(self, world: World, config: Path, log: Path) -> None:
        self._events, writes = os.pipe()
        try:
            with log.open("ab") as words:
                self._process = world.run(
                    "hub",
                    [sys.executable, "-m", "trainer.launch", str(config)],
                    env={
                        "PYTHONPATH": str(Path(trainer.__file__).parent.parent),  # also from a bare checkout
                        "TESTBED_HOME": str(home()),  # whose secret makes pseudonyms, whoever brought the world up
                    },
                    cwd=str(config.parent),
                    stdin=subprocess.DEVNULL,
                    stdout=writes,
                    stderr=words,
                )
        finally:
            os.close(writes)

    def events(self) -> Iterator[Event]:
        """Every event until the trainer and all its children have ended."""
        with os.fdopen(self._events, encoding="utf-8", closefd=False) as lines:
            for line in lines:
                yield decoder.loads(line)

    def stop(self) -> None:
        """Asks it to end and waits; ends it by force after `STOPS_WITHIN_S` or on a second Ctrl-C."""
        self._process.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOPS_WITHIN_S
        try:
            while (left := deadline - time.monotonic()) > 0:
                if select.select([self._events], [], [], left)[0] and not os.read(self._events, 65536):
                    return
        finally:
            self._process.signal(signal.SIGKILL)

    def ended(self) -> int:
        """Its exit code; a signal's number negative."""
        os.close(self._events)
        return self._process.wait()
