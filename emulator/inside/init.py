"""Process 1 of a world: reaps, keeps the agent running, and takes everything with it when it ends.

Until `up` has written its one byte into the lifeline the world is unfinished: when the lifeline closes before that,
`up` has died and the world goes with it.
"""

import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

from emulator.inside import agent, syscalls

AGENT_SOCKET = "agent.sock"
HOSTS = "hosts"
WORLD = "/run/world"
"""The world's folder, as its processes see it."""
_RESTART_PAUSE_S = 0.2


def keep_mounts_private() -> None:
    """What is mounted from now on is seen by nobody outside."""
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)


def _private_mounts(folder: str) -> None:
    """Mounts that only this world sees: its own processes, its own names, and scratch places that vanish with it."""
    keep_mounts_private()
    guarded = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("proc", "/proc", "proc", guarded)
    for scratch in ("/run", "/dev/shm"):  # noqa: S108 - a tmpfs of the world's own, mounted here
        syscalls.mount("tmpfs", scratch, "tmpfs", guarded, "mode=0755")
    for place in ("/run/netns", WORLD):
        Path(place).mkdir()
    syscalls.mount(folder, WORLD, "none", syscalls.MS_BIND)
    _own_names(folder)


def _own_names(folder: str) -> None:
    """Names come from the world's own file; who asked the host's name server, out of reach, would wait for seconds."""
    syscalls.mount(f"{folder}/{HOSTS}", "/etc/hosts", "none", syscalls.MS_BIND)
    if Path("/etc/resolv.conf").is_file():  # a link into /run leads nowhere by now
        syscalls.mount(os.devnull, os.path.realpath("/etc/resolv.conf"), "none", syscalls.MS_BIND)


def _listen(folder: str) -> socket.socket:
    """The agent's socket, bound once so that a new agent goes on with it; by a relative path, of at most 108 bytes."""
    os.chdir(folder)
    Path(AGENT_SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(AGENT_SOCKET)
    Path(AGENT_SOCKET).chmod(0o600)
    listener.listen(128)
    return listener


def _start_agent(listener: socket.socket) -> int:
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        agent.serve(listener)
        os._exit(0)
    return child


def _reap() -> list[int]:
    ended: list[int] = []
    while True:
        try:
            child, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if child == 0:
            return ended
        ended.append(child)


def _end(_signal: int, _frame: FrameType | None) -> None:
    os._exit(0)


def _watch(lifeline: int, listener: socket.socket) -> None:
    """Reap for ever; give up when the lifeline closes unfinished."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    signal.signal(signal.SIGTERM, _end)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    current = _start_agent(listener)
    watched = [woken, lifeline]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if woken in ready:
            os.read(woken, 4096)
        if lifeline in ready:
            if os.read(lifeline, 1) == b"":
                os._exit(1)
            watched.remove(lifeline)
            os.close(lifeline)
        if current in _reap():
            time.sleep(_RESTART_PAUSE_S)
            current = _start_agent(listener)


def main(folder: str, lifeline: int) -> None:
    """Become the init of a world whose state lies in `folder`."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # a hub holds several sockets a site
    _private_mounts(folder)
    log = os.open(f"{folder}/init.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    silence = os.open(os.devnull, os.O_RDONLY)
    listener = _listen(folder)
    for target, source in ((0, silence), (1, log), (2, log)):
        os.dup2(source, target)
    socket.sethostname(Path(folder).name)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is the log, opened above
    _watch(lifeline, listener)
