"""Starts one training: `python -m trainer.launch CONFIG.json`, inside a world.

One process imports torch, once, and forks the hub and one worker a site, so that fifty workers share its
memory. They end with it. Standard output has one JSON event a line. Exit codes: 0 done, 1 failed, 2 wrong
config, 4 the run can't go on or its hub was killed, 130 interrupted.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from emulator.errors import TestbedError, WrongState
from emulator.places import HUB_PROCESS, WORKER_PROCESS
from emulator.topology import Topology, revive
from emulator.worlds import enter
from trainer import algorithms, tasks
from trainer.clock.gate import Stage
from trainer.config import AT_HUB, CentralPlace, LaunchConfig, SitePlace, address_of, read
from trainer.errors import WrongInput
from trainer.hub import process as hub
from trainer.launcher_line import Line, News
from trainer.learning import warm
from trainer.memory import give_back, keep_blocks
from trainer.nursery import Child, Wake, fork, how_it_ended
from trainer.record import Lock
from trainer.record.writer import prepare
from trainer.worker import process as worker

RESTARTS = 3
RESTART_PAUSES_S = (0.2, 1.0, 5.0)
HUB_ENDS_WITHIN_S = 15.0
_HUB = ""


def main(argv: list[str]) -> int:
    """The exit code of a training started with the config file `argv[0]`."""
    if len(argv) != 1:
        print("usage: python -m trainer.launch CONFIG.json", file=sys.stderr)
        return WrongInput.exit_code
    try:
        return train(read(Path(argv[0])))
    except TestbedError as error:
        print(json.dumps({"event": "error", "why": str(error), "code": error.exit_code}), flush=True)
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code


def train(config: LaunchConfig) -> int:
    """One training, from the beginning or from the round that was lost. Raises `TestbedError` before anything
    runs.
    """
    topology = _checked(config)
    config.run_folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(config.run_folder)
    prepare(config)
    _warm(config)
    with Wake() as wake:
        return _Launcher(config, topology, lock, wake).run()


def _checked(config: LaunchConfig) -> Topology:
    """The topology, once every name in the config is known to exist."""
    algorithms.get(config.training.algorithm)
    tasks.get(config.training.task)
    try:
        topology = revive(config.topology_path.read_text())
    except OSError as error:
        raise WrongInput(f"{config.topology_path}: can't be read: {error.strerror}") from error
    unknown = {place.name for place in config.sites} - {site.name for site in topology.sites}
    if unknown:
        raise WrongInput(f"{config.topology_path} has no site {', '.join(sorted(unknown))}")
    return topology


def _warm(config: LaunchConfig) -> None:
    """Do once, before the fork, what every child would do again: imports, and torch's kernels for this network.

    One thread a process: cpu_slots processes use the cores, sums come out the same on every machine size, and
    OpenMP's threads, which a fork would lose, are never started. (torch.use_deterministic_algorithms adds nothing
    to that on one thread of a CPU, and imports torch's compiler.)
    """
    torch.set_num_threads(1)
    keep_blocks()
    warm(tasks.get(config.training.task), config.training.batch_size)
    give_back()
    gc.freeze()  # the collector's marks would copy every shared page into every child


class _Launcher:
    """Watches the children. The hub is the one child that matters: the training ends when it does."""

    def __init__(self, config: LaunchConfig, topology: Topology, lock: Lock, wake: Wake) -> None:
        self._config = config
        self._topology = topology
        self._indices = {site.name: site.index for site in topology.sites}
        self._bodies: dict[str, Callable[[Stage], int]] = {
            place.name: partial(self._be_worker, place) for place in config.working
        }
        if config.central:
            self._bodies[AT_HUB] = partial(self._be_worker_at_hub, config.central)
        self._lock = lock
        self._wake = wake
        self._line, self._hubs_line = Line.pair()
        self._children: dict[str, Child] = {}
        self._restarts = dict.fromkeys(self._bodies, 0)
        self._ended_by_hub: set[str] = set()
        self._due: dict[str, float] = {}  # sites whose worker is to start again, and when
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Until the hub has ended; its exit code."""
        sockets = hub.Sockets.listen(self._config)
        self._watch(fork(_HUB, partial(self._be_hub, sockets), HUB_PROCESS))
        for listening in sockets.listening:
            listening.close()
        self._hubs_line.connection.close()
        self._selector.register(self._line.connection, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        try:
            for site in self._bodies:
                self._bear(site)
            while True:
                code = self._turn()
                if code is not None:
                    return code
        finally:
            self._end_all()

    def _turn(self) -> int | None:
        """Wait for one thing to happen and act on it; the exit code once it is known."""
        now = time.monotonic()
        pause = min((due - now for due in self._due.values()), default=None)
        for key, _ in self._selector.select(None if pause is None else max(0.0, pause)):
            if key.fileobj is self._wake:
                return self._stop_hub()
            if key.fileobj is self._line.connection:
                self._hear()
            elif key.data.name == _HUB:
                return _hubs_code(self._reap(key.data))
            else:
                self._mourn(key.data)
        for site in [site for site, due in self._due.items() if due <= time.monotonic()]:
            del self._due[site]
            self._bear(site)
        return None

    def _be_hub(self, sockets: hub.Sockets) -> int:
        self._line.connection.close()
        hub.run(self._config, self._topology, sockets, self._hubs_line)

    def _be_worker(self, place: SitePlace, stage: Stage) -> int:
        self._let_go()
        if place.place is not None:
            enter(place.place)
        source = None if place.place else address_of(place, self._indices[place.name])
        worker.run(self._config, place, source, stage)
        return 0

    def _be_worker_at_hub(self, central: CentralPlace, stage: Stage) -> int:
        self._let_go()
        worker.run_at_hub(self._config, central, stage)
        return 0

    def _let_go(self) -> None:
        self._lock.close()  # a worker must not keep a run alive
        self._line.connection.close()

    def _watch(self, child: Child) -> None:
        self._children[child.name] = child
        self._selector.register(child.ended, selectors.EVENT_READ, child)

    def _bear(self, site: str) -> None:
        hubs, workers = socket.socketpair()
        with hubs, workers:
            self._watch(fork(site, partial(self._bodies[site], Stage(workers)), WORKER_PROCESS))
            self._tell_hub(News("born", site), hubs)

    def _tell_hub(self, news: News, worker: socket.socket | None = None) -> None:
        """Where the hub is ending, nobody hears it; its pidfd says so next."""
        with contextlib.suppress(ConnectionError):
            self._line.say(news, worker)

    def _reap(self, child: Child) -> int:
        self._selector.unregister(child.ended)
        del self._children[child.name]
        return child.reap()

    def _mourn(self, child: Child) -> None:
        """A worker has ended: tell the hub, and start it again unless it has ended too often."""
        why = how_it_ended(self._reap(child))
        again = self._restarts[child.name]
        if child.name in self._ended_by_hub:  # it was too late or hung: no fault of the worker's that would not pass
            self._ended_by_hub.discard(child.name)
            self._due[child.name] = time.monotonic() + RESTART_PAUSES_S[0]
            self._tell_hub(News("died", child.name, "the hub put an end to its worker"))
        elif again < RESTARTS:
            self._due[child.name] = time.monotonic() + RESTART_PAUSES_S[again]
            self._restarts[child.name] += 1
            self._tell_hub(News("died", child.name, why))
        else:
            self._tell_hub(News("gone", child.name, f"{why}, for the {again + 1}th time"))

    def _hear(self) -> None:
        try:
            for news, _ in self._line.hear():
                if news.event == "end" and news.site in self._children:
                    self._ended_by_hub.add(news.site)
                    self._children[news.site].end()
        except ConnectionError:  # the hub is ending: its pidfd says so next
            self._selector.unregister(self._line.connection)

    def _stop_hub(self) -> int:
        """Let the hub write down that it was interrupted."""
        self._tell_hub(News("stop"))
        child = self._children[_HUB]
        with selectors.DefaultSelector() as waiting:
            waiting.register(child.ended, selectors.EVENT_READ)
            if not waiting.select(HUB_ENDS_WITHIN_S):
                child.end()
        self._reap(child)
        return hub.INTERRUPTED

    def _end_all(self) -> None:
        for child in list(self._children.values()):
            child.end()
        for child in list(self._children.values()):
            self._reap(child)
        self._lock.close()


def _hubs_code(code: int) -> int:
    """The hub's own exit code; one that was killed could not say so, and its run can be gone on with."""
    if code >= 0:
        return code
    said = {"event": "error", "why": f"the hub was ended by {signal.Signals(-code).name}", "code": WrongState.exit_code}
    print(json.dumps(said), flush=True)
    return WrongState.exit_code


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # no teardown of torch: everything is closed
