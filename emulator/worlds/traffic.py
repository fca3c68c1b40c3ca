"""Background traffic in a world that is up: sinks, and the generators' processes."""

from collections.abc import Iterable
from pathlib import Path

from emulator import traffic
from emulator.reach import Agent, Launch
from emulator.topology.resolved import Topology
from emulator.traffic import Generator
from emulator.worlds.record import service_folder


class Traffic:
    """Starts, stops and finds the generators of one world."""

    def __init__(self, folder: Path, agent: Agent) -> None:
        self._folder = folder
        self._agent = agent

    def running(self, topology: Topology) -> tuple[Generator, ...]:
        """Those of a topology whose processes run."""
        folders = {str(service_folder(self._folder, one.name)): one for one in traffic.generators(topology)}
        alive = self._agent.alive(list(folders)) if folders else frozenset()
        return tuple(one for folder, one in folders.items() if folder in alive)

    def stop(self, generators: Iterable[Generator]) -> None:
        self._agent.stop([str(service_folder(self._folder, one.name)) for one in generators])

    def start(self, generators: Iterable[Generator]) -> None:
        launches = []
        for one in generators:
            folder = service_folder(self._folder, one.name)
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in one.files:
                (folder / name).write_text(content)
            launches.append(Launch(one.place, one.argv, str(folder), {}))
        self._agent.spawn(launches)

    def sink(self, topology: Topology, before: Topology | None = None) -> None:
        """Let flows end where the topology has them end, and nowhere else."""
        places = {"hub", *(site.name for site in topology.sites)}
        gone = (traffic.receivers(before) & places) - traffic.receivers(topology) if before else frozenset()
        self._agent.configure([traffic.no_sink(place) for place in sorted(gone)])
        self._agent.configure([traffic.sink(place) for place in sorted(traffic.receivers(topology))])
