"""The hub's process: one HTTP server on a socket a purpose, the stage, the line to the launcher, and the conductor."""

import contextlib
import json
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NoReturn

import anyio
import uvicorn
from anyio.abc import TaskGroup
from starlette.types import ASGIApp

from emulator.topology.resolved import Topology
from trainer import algorithms, tasks
from trainer.clock.stage import Lost, Stage
from trainer.config import AT_HUB, LaunchConfig, addresses_of, central_address
from trainer.errors import RunFailed, WrongState
from trainer.hub.app import app
from trainer.hub.arrivals import Arrivals
from trainer.hub.attendance import Attendance, ByPolicy, ByScript
from trainer.hub.central import Central
from trainer.hub.conductor import Conductor
from trainer.hub.desk import Desk, Port
from trainer.hub.fidelity import probes
from trainer.hub.linktime import LinkTime
from trainer.hub.meters import Counters, Meters
from trainer.hub.scenario import Scenario
from trainer.hub.world_news import WorldNews
from trainer.launcher_line import Line, News
from trainer.learning import initial
from trainer.messages import Trouble
from trainer.record import Writer

DONE, FAILED, INTERRUPTED = 0, 1, 130


def say(event: str, **fields: object) -> None:
    """One event for whoever follows the training: a line of JSON on standard output."""
    print(json.dumps({"event": event, **fields}), flush=True)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: ending is the launcher's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class Ending:
    """How a training ended."""

    state: Literal["done", "interrupted", "failed"]
    code: int
    why: str | None = None


@dataclass(frozen=True)
class Sockets:
    """The listening sockets, and what each is for."""

    listening: tuple[socket.socket, ...]
    ports: Mapping[int, Port]

    @classmethod
    def listen(cls, config: LaunchConfig) -> "Sockets":
        """Raises `WrongState` where a port is taken."""
        hub = config.hub
        ports: dict[int, Port] = {
            hub.control_port: "control",
            hub.model_port: "model",
            hub.update_port: "update",
        }
        if config.central:
            ports[hub.study_port] = "studies"
        return cls(tuple(_listen(hub.address, port) for port in ports), ports)


def _listen(address: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        raise WrongState(
            f"the hub can't listen on {address}:{port} ({error.strerror}); another training runs in this world, or "
            "something else holds the port: wait for its end, or end it"
        ) from error
    listening.listen(2048)
    return listening


def run(config: LaunchConfig, topology: Topology, sockets: Sockets, line: Line) -> NoReturn:
    """Be the hub until the training ends, and end this process with its exit code."""
    try:
        anyio.run(_Hub(config, topology, sockets, line).main)
    except* (OSError, sqlite3.Error) as failed:  # its log may be on the disk that is full: whoever follows is told
        say("error", why=f"the hub can't go on: {_first(failed)}")
        raise
    raise AssertionError("unreachable: the hub ends its process")


def _first(failed: BaseException) -> BaseException:
    return _first(failed.exceptions[0]) if isinstance(failed, BaseExceptionGroup) else failed


class _Hub:
    def __init__(self, config: LaunchConfig, topology: Topology, sockets: Sockets, line: Line) -> None:
        self._config = config
        self._sockets = sockets
        self._line = line
        self._topology = topology
        self._sites = {site.name: site for site in topology.sites}
        addresses = {
            address: place.name
            for place in config.working
            for address in addresses_of(place, self._sites[place.name].index)
        }
        if config.central:
            addresses[central_address(config)] = AT_HUB
        self._desk = Desk(addresses, self._in_trouble, self._note)
        self._stage = Stage(lambda site: line.say(News("end", site)))
        self._arrivals = Arrivals(config.central.arrived, self._stage.heard) if config.central else None
        self._news = WorldNews(config.world_folder, self._note)

    async def main(self) -> NoReturn:
        """Train until the end, or until the launcher says stop."""
        with Writer(self._config.run_folder) as writer:
            self._writer = writer
            conductor = self._conductor(writer)
            ending = Ending("interrupted", INTERRUPTED)
            async with anyio.create_task_group() as group:
                server = _server(app(self._desk, self._sockets.ports, arrivals=self._arrivals))
                group.start_soon(server.serve, list(self._sockets.listening))
                group.start_soon(self._hear_launcher, conductor, group)
                group.start_soon(self._news.follow)
                ending = await self._conducted(conductor)
                group.cancel_scope.cancel()
            await conductor.scenario.close()
            self._news.take()
            writer.end(ending.state, ending.why)
        say("ended", state=ending.state, why=ending.why)
        # Closing the event loop would answer every worker's poll with an error; the kernel just closes them.
        os._exit(ending.code)

    async def _conducted(self, conductor: Conductor) -> Ending:
        try:
            await conductor.conduct(initial(tasks.get(self._config.training.task), self._config.seed))
        except RunFailed as failed:
            return Ending("failed", FAILED, str(failed))
        return Ending("done", DONE)

    async def _hear_launcher(self, conductor: Conductor, group: TaskGroup) -> None:
        while True:
            await anyio.wait_readable(self._line.connection)
            try:
                for news, worker in self._line.hear():
                    if news.event == "stop":
                        group.cancel_scope.cancel()
                    self._take(news, worker, conductor, group)
            except ConnectionError:  # the launcher has ended, and so must we
                group.cancel_scope.cancel()

    def _take(self, news: News, worker: socket.socket | None, conductor: Conductor, group: TaskGroup) -> None:
        if news.event == "born" and worker is not None:
            self._note("connect", site=news.site, port="stage")
            group.start_soon(self._stage.listen, news.site, worker)
        elif news.event in ("died", "gone"):
            if news.event == "gone":
                conductor.gone[news.site] = news.why
            self._note("disconnect", site=news.site, port="stage", why=news.why)
            self._desk.withdraw(news.site)
            self._stage.forget(news.site)
            self._stage.lose(Lost(news.site, news.why))

    def _note(self, event: str, **fields: Any) -> None:
        """One event for the record alone."""
        self._writer.event(event, **fields)

    def _in_trouble(self, site: str, trouble: Trouble) -> None:
        self._stage.lose(Lost(site, trouble.why))

    def _links_jump(self) -> bool:
        """Whether links vary, on a clock that jumps."""
        return self._config.training.clock == "emulated" and any(site.link.varies for site in self._sites.values())

    def _conductor(self, writer: Writer) -> Conductor:
        training = self._config.training
        computes = {site.name: self._sites[site.name].compute for site in self._config.sites}
        return self._leader(
            config=self._config,
            algorithm=algorithms.get(training.algorithm),
            classes=tasks.get(training.task).classes,
            computes={**computes, AT_HUB: self._topology.hub.compute} if self._arrivals else computes,
            desk=self._desk,
            stage=self._stage,
            writer=writer,
            meters=Meters(self._desk, self._counters(), self._config.run_folder.name),
            probes=probes(self._config, self._topology),
            scenario=self._scenario(writer),
            link_time=LinkTime(self._config.world_folder if self._links_jump() else None),
            attendance=self._attendance(writer),
            say=say,
        )

    @property
    def _leader(self) -> Callable[..., Conductor]:
        if self._arrivals is None or self._config.central is None:
            return Conductor
        return partial(Central, self._arrivals, frozenset(self._config.central.held))

    def _attendance(self, writer: Writer) -> Attendance:
        """Where the hub trains there is one worker, which everybody waits for."""
        names = [site.name for site in self._config.sites]
        if self._config.central:
            alone = replace(self._config.training, quorum=0.0, deadline_s=None)
            return ByPolicy(alone, 1, self._desk, self._stage, writer)
        if self._config.script:
            return ByScript(self._config.script, names, self._desk)
        return ByPolicy(self._config.training, len(names), self._desk, self._stage, writer)

    def _scenario(self, writer: Writer) -> Scenario:
        config, last = self._config, writer.last
        before = last.round if last else 0
        scenario = Scenario(config.faults, config.seed, config.world_folder, writer.event, writer.events, before, say)
        self._stage.going, self._desk.passed = scenario.going, scenario.counted
        return scenario

    def _counters(self) -> Counters | None:
        if not self._config.ledger:
            return None
        indices = {place.name: self._sites[place.name].index for place in self._config.sites}
        return Counters.of(self._config.world, indices)


def _server(service: ASGIApp) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            service,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=3600,
            proxy_headers=False,  # X-Forwarded-For would let a worker name itself
            server_header=False,
            date_header=False,
        )
    )
