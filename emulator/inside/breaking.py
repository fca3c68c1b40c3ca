"""What faults are made of, besides the agent's own operations: signals, limits, names, programs.

Each takes and gives what the agent's operations do. What undoes something may come twice, and when there is nothing to
undo.
"""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulator.inside.processes import birth

_RUN_WITHIN_S = 60.0
_ENDS_WITHIN_S = 5.0
_HIDDEN = "#"

Request = dict[str, Any]


def processes(pin: str, name: str) -> Iterator[int]:
    """The processes of that name in the network that a file keeps."""
    network = os.stat(pin).st_ino  # noqa: PTH116 - a Path's stat is the same
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text().strip() == name and os.stat(entry / "ns/net").st_ino == network:  # noqa: PTH116 - as above
                yield int(entry.name)


def send_signal(request: Request, _fds: list[int]) -> Request:
    """Send a signal to processes by name and place, or to all of a service; `must`: there has to be one."""
    number = signal.Signals(request["number"])
    found = list(processes(request["pin"], request["name"])) if "pin" in request else _of_service(request["folder"])
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            if "pin" in request:
                os.kill(pid, number)
            else:
                os.killpg(pid, number)
    if number == signal.SIGKILL:
        _wait_for_the_end(found)
    return {"error": request["must"]} if request["must"] and not found else {}


def _wait_for_the_end(pids: list[int]) -> None:
    """A process that is killed ends when the kernel comes to it."""
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while any(birth(pid) != "gone" for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.002)


def _of_service(folder: str) -> list[int]:
    """The process that leads a service's group, if it runs."""
    try:
        pid, born = (Path(folder) / "pid").read_text().split()
    except (OSError, ValueError):
        return []
    return [int(pid)] if birth(int(pid)) == born else []


def make_folder(request: Request, _fds: list[int]) -> Request:
    """A folder for what is started for a fault; it goes with the world."""
    Path(request["folder"]).mkdir(exist_ok=True, parents=True)
    return {}


def hide_names(request: Request, _fds: list[int]) -> Request:
    """Take names out of the world's hosts file, or put them back; it is mounted, so it is written in place."""
    hosts = Path("/etc/hosts")
    lines = hosts.read_text().splitlines()
    mark = f"{_HIDDEN}{request['tag']} "
    if request["hide"]:
        names = set(request["names"])
        lines = [mark + line if names & set(line.split()[1:]) and line[0] != _HIDDEN else line for line in lines]
    else:
        lines = [line.removeprefix(mark) for line in lines]
    hosts.write_text("\n".join(lines) + "\n")
    return {}


def run_program(request: Request, _fds: list[int]) -> Request:
    """Run a program to its end; what it says last is the error where it fails."""
    try:
        ended = subprocess.run(
            request["argv"],
            env={**os.environ, **request["env"]},
            capture_output=True,
            text=True,
            timeout=_RUN_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"{request['argv'][0]} took longer than {_RUN_WITHIN_S:g} s"}
    said = (ended.stderr or ended.stdout).strip().splitlines() or ["no reason given"]
    return {"error": said[-1]} if ended.returncode else {}


def limit(request: Request, _fds: list[int]) -> Request:
    """Give processes `room` bytes more than they have of address space (`AS`), or of a file (`FSIZE`), and no more;
    None takes the limit away.
    """
    kind = getattr(resource, f"RLIMIT_{request['limit']}")
    found = list(processes(request["pin"], request["name"]))
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, kind)
            soft = hard if request["room"] is None else request["room"] + _used(pid, request["limit"])
            resource.prlimit(pid, kind, (soft, hard))
    if request["must"] and not found:
        return {"error": request["must"]}
    return {}


def _used(pid: int, what: str) -> int:
    """Bytes of address space that a process has; a limit of files counts from nothing."""
    if what != "AS":
        return 0
    pages = Path(f"/proc/{pid}/statm").read_text().split()[0]
    return int(pages) * resource.getpagesize()
