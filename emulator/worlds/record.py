"""What is kept of a world: its topology, its services, its init's process."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self

from emulator import topology as topologies
from emulator.inside.init import HOSTS
from emulator.inside.processes import birth
from emulator.places import HUB_ADDRESS, Service, gateway_address, pacs_address, worker_address
from emulator.topology.resolved import Topology
from emulator.writing import write_whole

State = Literal["starting", "changing", "up", "broken"]


@dataclass(frozen=True)
class WorldRecord:
    """`init_pid`, `init_birth` and `boot` together name one process for ever; `up_s` is what the last `up` took."""

    name: str
    state: State
    wan: str
    started: str
    up_s: float
    init_pid: int
    init_birth: str
    boot: str
    services: tuple[Service, ...]

    @classmethod
    def unknown(cls, name: str) -> Self:
        """Stands for a world of which only its folder is known."""
        return cls(name, "broken", "", "", 0.0, 0, "", "", ())

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The record in a world's folder; None where there is none that can be read."""
        from pydantic import TypeAdapter  # 50 ms to import, for which a world that is begun early need not wait

        try:
            return TypeAdapter(cls).validate_json((folder / "world.json").read_bytes())
        except (OSError, ValueError):  # pydantic's ValidationError is a ValueError
            return None

    def write(self, folder: Path) -> Self:
        write_whole(folder / "world.json", json.dumps(asdict(self), indent=1).encode())
        return self

    def with_init(self, pid: int) -> Self:
        return replace(self, init_pid=pid, init_birth=birth(pid), boot=boot())

    def alive(self) -> bool:
        """Whether the init still runs: the same process, not another that got its number."""
        return self.init_pid > 0 and self.boot == boot() and birth(self.init_pid) == self.init_birth != "gone"


@dataclass(frozen=True)
class WorldEntry:
    """One line of `ls`."""

    name: str
    state: State
    sites: int
    pid: int


def keep_topology(folder: Path, topology: Topology) -> None:
    write_whole(folder / "topology.json", topologies.dump(topology).encode())


def kept_topology(folder: Path) -> Topology:
    return topologies.revive((folder / "topology.json").read_text())


def keep_names(folder: Path, topology: Topology) -> None:
    """The world's /etc/hosts, written in place: it is mounted in the world."""
    lines = [f"127.0.0.1 localhost {folder.name}", f"{HUB_ADDRESS} hub"]
    for site in topology.sites:
        lines.append(f"{gateway_address(site.index)} {site.name}")
        lines.append(f"{pacs_address(site.index)} pacs.{site.name}")
        lines.append(f"{worker_address(site.index)} worker.{site.name}")
    (folder / HOSTS).write_text("\n".join(lines) + "\n")


def service_folder(folder: Path, name: str) -> Path:
    return folder / "services" / name.replace("/", ".")


def boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def by_name(services: Sequence[Service]) -> dict[str, Service]:
    return {service.name: service for service in services}
