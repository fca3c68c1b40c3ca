"""Trainings on loopback: a real launcher, hub and workers, real HTTP, and a task that is learnt in seconds."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import psutil

from emulator.topology import Cohort, Compute, Direction, Hub, Link, Pacs, Site, Topology, Training, dump
from nodes.endpoints import Endpoint
from trainer.config import HubPlace, LaunchConfig, SitePlace
from trainer.record import Run

LAUNCHER = Path(__file__).with_name("launch_blobs.py")


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def blobs(site: str, studies: int | str) -> Endpoint:
    """What `launch_blobs` takes for a PACS."""
    return Endpoint(site, "127.0.0.1", f"blobs:{studies}", None)


def topology(sites: int, training: Training, studies: int = 12) -> Topology:
    link = Link("fibre", Direction(10**9, 0.001), Direction(10**9, 0.001))
    cohort = Cohort("phantom", studies, {"control": studies}, "3T", ("mr", "pet"), "single-frame")
    return Topology(
        name="blobs",
        seed=7,
        hub=Hub(link),
        sites=tuple(
            Site(
                index,
                f"site-{index:02}",
                "site",
                "namespace",
                link,
                Pacs("modern", "orthanc"),
                cohort,
                Compute(0.001 * index),
            )
            for index in range(1, sites + 1)
        ),
        training=training,
    )


@dataclass
class Started:
    """A launcher that was started, and what it has said."""

    config: LaunchConfig
    process: "subprocess.Popen[str]"
    events: list[dict[str, Any]] = field(default_factory=list)

    def until(self, event: str, **fields: object) -> dict[str, Any]:
        """Reads events up to one of that kind with these fields."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == event and fields.items() <= self.events[-1].items():
                return self.events[-1]
        raise AssertionError(f"no {event} {fields}; it said {self.events}")

    def ended(self) -> int:
        """Reads to the end; the exit code."""
        assert self.process.stdout is not None
        self.events += [json.loads(line) for line in self.process.stdout]
        return self.process.wait(timeout=60)

    def done(self) -> dict[str, Any]:
        """The summary of a run that must end well."""
        assert self.ended() == 0, self.events
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """The run as its record tells it."""
        run = Run(self.config.run_folder)
        try:
            return run.summary()
        finally:
            run.close()

    def children(self) -> list[psutil.Process]:
        """The hub, then the workers, in the order of their birth."""
        return sorted(psutil.Process(self.process.pid).children(), key=lambda child: child.pid)


class Trainings:
    """Starts trainings in one folder, by a launcher script. A context manager: what still runs at its end is killed."""

    def __init__(self, folder: Path, launcher: Path = LAUNCHER) -> None:
        self.folder = folder
        self._launcher = launcher
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, run: str = "one", *, resume: bool = False, disk: str = "", **settings: Any) -> Started:
        """Starts a training named `run`, or goes on with it; `disk` names the workers' disks (one a run by default)."""
        return self.launch(self.config(run, resume=resume, disk=disk, **settings))

    def config(
        self,
        run: str,
        *,
        resume: bool = False,
        disk: str = "",
        sites: int = 3,
        rounds: int = 3,
        algorithm: str = "fedavg",
        seed: int = 7,
        studies: int = 12,
        deadline_s: float = 60.0,
        volume_cache: bool = True,
        learning_rate: float = 0.1,
        policy: Mapping[str, Any] = MappingProxyType({}),
    ) -> LaunchConfig:
        training = Training("blobs", algorithm, rounds, 2, 4, learning_rate, 0.25, volume_cache, **policy)
        world = topology(sites, training, studies)
        kept = self.folder / f"{run}-topology.json"
        kept.write_text(dump(world))
        control, model, update = free_ports(3)
        disks = self.folder / "disks" / (disk or run)
        return LaunchConfig(
            run_folder=self.folder / "runs" / run,
            world="blobs",
            topology_path=kept,
            sites=tuple(
                SitePlace(
                    name=site.name, place=None, endpoint=blobs(site.name, studies), cache_folder=disks / site.name
                )
                for site in world.sites
            ),
            hub=HubPlace(place=None, address="127.0.0.1", control_port=control, model_port=model, update_port=update),
            seed=seed,
            training=training,
            cpu_slots=2,
            resume=resume,
            ledger=False,
            deadline_s=deadline_s,
        )

    def launch(self, config: LaunchConfig) -> Started:
        """Starts what a config says."""
        path = self.folder / f"{config.run_folder.name}.json"
        path.write_text(config.model_dump_json())
        errors = self._stack.enter_context((self.folder / f"{config.run_folder.name}.errors").open("a"))
        process = self._stack.enter_context(
            subprocess.Popen(
                [sys.executable, str(self._launcher), str(path)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
                start_new_session=True,
            )
        )
        self._stack.callback(process.kill)
        return Started(config, process)
