"""Playing a playbook on a world's virtual machines."""

import datetime
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.errors import WrongInput
from emulator.playbooks import Failure, Played, play
from emulator.worlds import World
from testbed.inventory import inventory, let_in
from testbed.progress import Report

_CONNECT_S = "20"  # ssh's own patience is shorter, and its word says more
_QUICK = {"ANSIBLE_PIPELINING": "1"}  # a module goes through the one session: each costs an emulated processor seconds


@dataclass(frozen=True)
class Host:
    """What became of one: `changed` tasks that changed something, and why it failed (empty: it did not)."""

    site: str
    ok: bool
    changed: int
    why: str = ""


@dataclass(frozen=True)
class Configured:
    """`artefacts`: the folder with all that Ansible did and said."""

    hosts: tuple[Host, ...]
    artefacts: Path
    ok: bool


def configure(world: World, playbook: Path, limit: Sequence[str], report: Report) -> Configured:
    """Play `playbook` on the sites and groups of `limit`, or on all. A host that fails is in the answer.

    Raises `WrongInput` for a limit that names nobody and a playbook that Ansible refuses, `WrongState` where no site
    runs on a virtual machine.
    """
    hosts = inventory(world.topology, world.folder)
    asked = _asked(hosts, limit)
    unreached = let_in(world, asked)
    folder = world.folder / "ansible" / datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    step = _Steps(playbook.name, report)
    reached = [name for name in asked if name not in unreached]
    with _masters() as sockets:
        settings = {"ANSIBLE_TIMEOUT": _CONNECT_S, "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets, **_QUICK}
        nothing = Played(True, {}, (), "")
        played = play(playbook, hosts, folder, step, settings, "--limit", ",".join(reached)) if reached else nothing
    step.end()
    if not played.ok and not played.failures:
        raise WrongInput(f"{playbook}: Ansible can't play it: {played.said.strip()[-1500:]}")
    found = tuple(_host(name, played, unreached) for name in asked)
    return Configured(found, folder, played.ok and not unreached)


@contextmanager
def _masters() -> Iterator[str]:
    """A folder for the sockets of SSH's masters, which end with it: each holds a connection into the world.

    Its path is short, as a socket's must be.
    """
    with tempfile.TemporaryDirectory(prefix="testbed-") as folder:
        try:
            yield folder
        finally:
            for socket in Path(folder).glob("*"):
                ending = ["ssh", "-F", "none", "-S", str(socket), "-O", "exit", "master"]
                subprocess.run(ending, capture_output=True, timeout=10, check=False)


class _Steps:
    """Tells Ansible's tasks as steps of which one more is always to come."""

    def __init__(self, name: str, report: Report) -> None:
        self._what, self._report, self._done = f"playing {name}", report, 0

    def __call__(self, task: str) -> None:
        self._report(self._what, self._done, self._done + 1)
        self._done += 1

    def end(self) -> None:
        self._report(self._what, self._done, self._done)


def _asked(hosts: dict[str, Any], limit: Sequence[str]) -> list[str]:
    """The sites that are meant, in the inventory's order."""
    everybody = hosts["all"]
    known = {**{name: {name} for name in everybody["hosts"]}}
    known |= {name: set(group["hosts"]) for name, group in everybody["children"].items()}
    for name in limit:
        if name not in known:
            raise WrongInput(f"--limit: '{name}' is no virtual machine or group of them; known: {', '.join(known)}")
    meant = set().union(*(known[name] for name in limit)) if limit else set(everybody["hosts"])
    return [name for name in everybody["hosts"] if name in meant]


def _host(name: str, played: Played, unreached: Mapping[str, str]) -> Host:
    if name in unreached:
        return Host(name, False, 0, unreached[name])
    failed = [failure for failure in played.failures if failure.host == name]
    return Host(name, not failed, played.changed.get(name, 0), _why(failed[-1]) if failed else "")


def _why(failure: Failure) -> str:
    return f"{failure.task}: {failure.why}" if failure.reached else f"not reached: {failure.why}"
