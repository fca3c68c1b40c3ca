"""Starting a world's init, and ending it."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from emulator.errors import NAMESPACES_ADVICE, CannotHere, WrongState
from emulator.inside.init import AGENT_SOCKET, HOSTS
from emulator.machines.layers import forget_layer
from emulator.reach import Agent
from emulator.worlds.record import WorldRecord

_START = Path(__file__).parent.parent / "inside" / "start.py"
_COMPLETE = b"\n"


@dataclass(frozen=True)
class Begun:
    """A fresh init whose agent answers, in a folder of its own.

    It outlives this process only once it is born: the lifeline is a pipe that we alone hold open. When we end in the
    middle, in whatever way, the init reads its end and takes the world with it.
    """

    folder: Path
    init_pid: int
    lifeline: BinaryIO

    @property
    def agent(self) -> Agent:
        return Agent(self.folder)

    def moved(self, folder: Path) -> "Begun | None":
        """It in a world's folder, which is not there yet; None, and gone, where that is on another file system."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.folder.rename(folder)
        except OSError:
            self.undo()
            return None
        moved = replace(self, folder=folder)
        moved.agent.set_name(folder.name)
        return moved

    def undo(self) -> None:
        """Take it away, unless it was born, or has ended in being so; and its folder."""
        if not self.lifeline.closed:
            end(WorldRecord.unknown(self.folder.name).with_init(self.init_pid))
            self.lifeline.close()
        erase(self.folder)


def begin(folder: Path) -> Begun:
    """Start an init. Raises `CannotHere` where the kernel refuses namespaces."""
    hears, lifeline = os.pipe()
    try:
        (folder / HOSTS).touch()  # mounted over the world's own
        return Begun(folder, _start(folder, hears), open(lifeline, "wb", buffering=0))  # noqa: PTH123 - a descriptor
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(hears)


@contextlib.contextmanager
def born(begun: Begun, record: WorldRecord) -> Iterator[tuple[Agent, WorldRecord]]:
    """Its agent, and its record written. It outlives the block only when the block ends well."""
    try:
        record = record.with_init(begun.init_pid).write(begun.folder)
        yield begun.agent, record
        begun.lifeline.write(_COMPLETE)
    except BaseException:
        end(record)
        raise
    finally:
        begun.lifeline.close()


def prove() -> None:
    """Take the namespaces of a world and let them go. Raises `CannotHere` where the kernel refuses them."""
    _started()


def _start(folder: Path, hears: int) -> int:
    """The init's process number, once its agent listens: it keeps our pipes open until then, or until it fails."""
    started = _started(str(folder), str(hears), pass_fds=(hears,))
    if not (folder / AGENT_SOCKET).exists():
        raise CannotHere(f"the world's init failed: {_last_line(started.stderr)}")
    return int(started.stdout)


def _started(*arguments: str, pass_fds: tuple[int, ...] = ()) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-I", "-S", str(_START), *arguments]
    started = subprocess.run(argv, pass_fds=pass_fds, capture_output=True, text=True, timeout=30, check=False)
    if started.returncode:
        raise CannotHere(f"this machine gives no namespaces ({_last_line(started.stderr)}); {NAMESPACES_ADVICE}")
    return started


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["no reason given"])[-1]


def end(record: WorldRecord) -> None:
    """Kill a world's init and wait until it is gone; the kernel ends everything else in the world before that."""
    if not record.alive():
        return
    try:
        process = os.pidfd_open(record.init_pid)
    except ProcessLookupError:
        return
    try:
        if record.alive():  # the number still means the same process now that we hold it
            signal.pidfd_send_signal(process, signal.SIGKILL)
            if not select.select([process], [], [], 30.0)[0]:
                raise WrongState(
                    f"the init of world '{record.name}' (process {record.init_pid}) did not end within 30 s"
                )
    finally:
        os.close(process)


def erase(folder: Path) -> None:
    """Remove a dead world's folder."""
    for service in folder.glob("services/*"):
        forget_layer(service)
    if folder.exists():
        shutil.rmtree(folder)
