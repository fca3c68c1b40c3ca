"""The world's hands: does inside what commands outside ask for, over a Unix socket.

One request a message (JSON, with file descriptors beside it), one answer a message. Every connection has a thread of
its own, since the network namespace is a thread's property: a thread steps into a place, acts, and steps back.
A process that was run for a connection ends when that connection closes.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.inside import breaking, covering, netlink, nftables, syscalls, widen
from emulator.inside.processes import birth

if TYPE_CHECKING:
    from emulator.inside.keeper import Keeper

MESSAGE_BYTES = 131_072
FAULTS = "faults"
_GRACE_S = 5.0
_NETNS = "/run/netns"
# A router that still boots drops a SYN, and the kernel sends the next one after a second: better a new connection.
_FIRST_PROBE_S, _LONGEST_PROBE_S = 0.02, 2.0
_BEFORE_OTHERS = -15  # nice
_ETHTOOL_OFF = (0x17, 0x1F, 0x24, 0x2C)  # ETHTOOL_STXCSUM, _STSO, _SGSO, _SGRO

Request = dict[str, Any]


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """Put the calling thread into a place's network for a while. `wan` is the world's own network."""
    if place == "wan":
        yield
        return
    there = os.open(pin(place), os.O_RDONLY)
    try:
        with _coming_back():
            syscalls.enter(there, syscalls.CLONE_NEWNET)
            yield
    finally:
        os.close(there)


@contextlib.contextmanager
def _coming_back() -> Iterator[None]:
    """Wherever the calling thread goes meanwhile, it is back in its network afterwards."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        yield
    finally:
        syscalls.enter(here, syscalls.CLONE_NEWNET)
        os.close(here)


def pin(place: str) -> str:
    """The file that keeps a place's network: `lyon/pacs` → `/run/netns/lyon.pacs`."""
    return f"{_NETNS}/{place.replace('/', '.')}"


def enter(place: str) -> None:
    """Move the calling process into a place's network for good (a process of this world, before it has threads)."""
    if place == "wan":
        return
    there = os.open(pin(place), os.O_RDONLY)
    syscalls.enter(there, syscalls.CLONE_NEWNET)
    os.close(there)


def _add_places(request: Request, _fds: list[int]) -> Request:
    """Make network namespaces, each with its loopback and the kernel settings that were asked for."""
    for place in request["places"]:
        with _coming_back():
            if place != "wan":  # that one is there from the beginning; only its settings are not
                Path(pin(place)).touch()
                syscalls.unshare(syscalls.CLONE_NEWNET)
                syscalls.mount("/proc/thread-self/ns/net", pin(place), "none", syscalls.MS_BIND)
            _set_kernel(request["settings"])
    return {}


def _remove_places(request: Request, _fds: list[int]) -> Request:
    for place in request["places"]:
        kept = Path(pin(place))
        if kept.exists():
            syscalls.unmount(str(kept))
            kept.unlink()
    return {}


def _set_kernel(settings: dict[str, str]) -> None:
    for name, value in settings.items():
        try:
            setting = os.open(f"/proc/sys/{name}", os.O_WRONLY)
        except FileNotFoundError:  # a kernel without IPv6 has no IPv6 settings
            continue
        try:
            os.write(setting, value.encode())
        finally:
            os.close(setting)


def _configure(request: Request, _fds: list[int]) -> Request:
    """Carry out orders and apply rules at places; the first that is refused ends it."""
    for step in request["steps"]:
        with at(step["place"]):
            try:
                if "text" in step:
                    nftables.apply(step["text"])
                else:
                    netlink.carry_out(step["orders"], pin)
            except OSError as error:
                return {"error": f"at {step['place']}: {error}"}
            for interface in step.get("plain", ()):
                _plain_packets(interface)
    return {}


def _plain_packets(interface: str) -> None:
    """Switch an interface's offloads off: every frame then has its real size, headers and checksum."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in _ETHTOOL_OFF:
            with contextlib.suppress(OSError):  # not every kind of interface has every offload
                syscalls.set_ethtool(control.fileno(), interface, command, 0)


def overlay(lower: str, folder: Path, target: str) -> None:
    """Mount a copy-on-write layer over a folder that is never written; what is written lands in `folder`."""
    upper, work = folder / "upper", folder / "work"
    for needed in (upper, work, Path(target)):
        needed.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    try:
        syscalls.mount("overlay", target, "overlay", 0, options)
    except OSError:
        syscalls.mount("overlay", target, "overlay", 0, options + ",userxattr")


def _start(request: Request, fds: list[int]) -> "subprocess.Popen[bytes]":
    with at(request["place"]):
        return subprocess.Popen(
            request["argv"],
            env={**os.environ, **request["env"]},
            cwd=request["cwd"] or "/",
            start_new_session=True,
            stdin=fds[0],
            stdout=fds[1],
            stderr=fds[2],
        )


def _spawn(request: Request, _fds: list[int]) -> Request:
    """Start services: each on its layer, detached, its output in its log, its process number kept in its folder.

    All layers are mounted first: what starts takes the processors away from what is still to be done here.
    """
    for launch in request["launches"]:
        if launch["overlay"]:
            overlay(launch["overlay"]["lower"], Path(launch["folder"]), launch["overlay"]["target"])
    for launch in request["launches"]:
        _launch(launch)
    return {}


def _launch(launch: Request) -> None:
    folder = Path(launch["folder"])
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    silence = os.open(os.devnull, os.O_RDONLY)
    try:
        child = _start({**launch, "cwd": launch["folder"]}, [silence, log, log])
    finally:
        os.close(log)
        os.close(silence)
    (folder / "pid").write_text(f"{child.pid} {birth(child.pid)}")
    if launch["urgent"]:
        _put_first(child.pid)
    threading.Thread(target=child.wait, daemon=True).start()


def _put_first(pid: int) -> None:
    """Before all other ordinary processes; an ordinary user can't do that."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, _BEFORE_OTHERS)
        _favour_group(pid)


def _favour_group(pid: int) -> None:
    """Where the kernel groups processes by session (autogroup), a nice value counts within its own group only: what
    others see is the group's.
    """
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists():
        group.write_text(str(_BEFORE_OTHERS))


def _revive(request: Request, fds: list[int]) -> Request:
    """Start those services again that do not run; their layers are mounted still."""
    for launch in request["launches"]:
        if not _alive({"folders": [launch["folder"]]}, fds)["alive"]:
            _launch(launch)
    return {}


def _alive(request: Request, _fds: list[int]) -> Request:
    """Which of some services' folders belong to a process that still runs."""
    alive = []
    for folder in request["folders"]:
        try:
            pid, born = (Path(folder) / "pid").read_text().split()
        except (OSError, ValueError):
            continue
        if birth(int(pid)) == born:
            alive.append(folder)
    return {"alive": alive}


def _stop(request: Request, fds: list[int]) -> Request:
    """End services and wait until they are gone; what does not heed SIGTERM in time is killed."""
    folders = _alive(request, fds)["alive"]
    pids = [int((Path(folder) / "pid").read_text().split()[0]) for folder in folders]
    for number, patience in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
        deadline = time.monotonic() + patience
        while _alive(request, fds)["alive"] and time.monotonic() < deadline:
            time.sleep(0.02)
    for overlay in request.get("overlays", ()):
        with contextlib.suppress(OSError):
            syscalls.unmount(overlay)
    return {}


def _connect(request: Request, _fds: list[int]) -> tuple[Request, list[int]]:
    with at(request["place"]):
        try:
            made = socket.create_connection((request["host"], request["port"]), request["timeout_s"])
        except ConnectionError as error:
            raise OSError(str(error)) from error  # theirs; a broken connection of ours would end in silence
    made.setblocking(True)
    return {}, [made.detach()]


def _wait_ready(request: Request, _fds: list[int]) -> Request:
    """Wait until a port answers (and, with a path, answers 200 to HTTP), or its service has ended, or time is up."""
    deadline = time.monotonic() + request["within_s"]
    why = "no answer yet"
    patience_s = _FIRST_PROBE_S
    while time.monotonic() < deadline:
        try:
            with (
                at(request["place"]),
                socket.create_connection((request["host"], request["port"]), patience_s) as probe,
            ):
                if request["path"] is None or _answers(probe, request["host"], request["path"]):
                    return {}
                why = "it does not answer 200"
        except TimeoutError as error:
            why = str(error)
            patience_s = min(2 * patience_s, _LONGEST_PROBE_S)
        except OSError as error:
            why = str(error)
        if request["folder"] and not _alive({"folders": [request["folder"]]}, [])["alive"]:
            return {"error": "it has ended"}
        time.sleep(0.02)
    return {"error": why}


def _wait_said(request: Request, _fds: list[int]) -> Request:
    """Wait until a service has written a line that begins with a word into its log, or has ended, or time is up."""
    folder, line = Path(request["folder"]), f"\n{request['word']}"
    deadline = time.monotonic() + request["within_s"]
    while time.monotonic() < deadline:
        runs = _alive({"folders": [str(folder)]}, [])["alive"]
        if line in "\n" + (folder / "log").read_text(errors="replace"):
            return {}
        if not runs:
            return {"error": "it has ended"}
        time.sleep(0.005)
    return {"error": f"it does not say '{request['word']}'"}


def _favour(request: Request, _fds: list[int]) -> Request:
    """A router that is a process: it runs in real time from now on, and its sockets get more room."""
    pid = int((Path(request["folder"]) / "pid").read_text().split()[0])
    widen.in_real_time(pid)
    widen.widen(pid, request["room_bytes"])
    return {}


def _answers(probe: socket.socket, host: str, path: str) -> bool:
    probe.settimeout(5.0)
    probe.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    answer = b""
    while part := probe.recv(65_536):  # to its end: Orthanc locks up when it is cut off in the middle of an answer
        answer += part
    return b" 200 " in answer[:64]


def _set_name(request: Request, _fds: list[int]) -> Request:
    socket.sethostname(request["name"])
    return {}


def _memory(_request: Request, _fds: list[int]) -> Request:
    """The proportional set sizes of this world's processes, in bytes; a shared address space counts once."""
    sizes: dict[int, int] = {}
    for rollup in Path("/proc").glob("[0-9]*/smaps_rollup"):
        with contextlib.suppress(OSError):
            lines = rollup.read_text().splitlines()
            sizes[int(rollup.parent.name)] = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    spaces = [pid for pid in sizes if not syscalls.shares_memory(pid, _parent(pid))]
    return {"bytes": 1024 * sum(sizes[pid] for pid in spaces)}


def _parent(pid: int) -> int:
    """The parent's process number; 0 for none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@cache
def _keeper() -> "Keeper":
    """Who keeps this world's faults; made when there is one: a world without faults starts without it."""
    from emulator.inside.keeper import Keeper

    keeper = Keeper(Path.cwd(), lambda step: OPERATIONS[step["op"]](step, []))
    threading.Thread(target=keeper.keep, daemon=True).start()
    return keeper


OPERATIONS: dict[str, Callable[[Request, list[int]], Request]] = {
    "add-places": _add_places,
    "remove-places": _remove_places,
    "configure": _configure,
    "spawn": _spawn,
    "alive": _alive,
    "stop": _stop,
    "wait-ready": _wait_ready,
    "wait-said": _wait_said,
    "favour": _favour,
    "memory": _memory,
    "set-name": _set_name,
    "revive": _revive,
    "make-folder": breaking.make_folder,
    "signal": breaking.send_signal,
    "hide-names": breaking.hide_names,
    "limit": breaking.limit,
    "cover": covering.cover,
    "uncover": covering.uncover,
    "run-program": breaking.run_program,
    "begin-fault": lambda request, _fds: _keeper().begin(request),
    "end-faults": lambda request, _fds: _keeper().end(request),
    "leave-faults": lambda request, _fds: _keeper().leave(request),
}


def _send(connection: socket.socket, answer: Request, fds: list[int] | None = None) -> None:
    socket.send_fds(connection, [json.dumps(answer).encode()], fds or [])


def _attached(connection: socket.socket, request: Request, fds: list[int]) -> None:
    """Run one process for this connection: pass signals on, say how it ended, end it when nobody listens any more."""
    try:
        child = _start(request, fds)
    finally:
        for fd in fds:
            os.close(fd)
    try:
        _send(connection, {"pid": child.pid})
        _follow(connection, child)
    finally:  # also when the connection broke in the middle of a message
        if child.poll() is None:
            _end_group(child)


def _follow(connection: socket.socket, child: "subprocess.Popen[bytes]") -> None:
    """Until the process ends, or its connection is closed."""
    ended = os.pidfd_open(child.pid)
    try:
        while True:
            ready, _, _ = select.select([connection.fileno(), ended], [], [])
            if ended in ready:
                _send(connection, {"exit": child.wait()})
                return
            message = connection.recv(MESSAGE_BYTES)
            if not message:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, json.loads(message)["signal"])
    finally:
        os.close(ended)


def _end_group(child: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_S)


def _answer(connection: socket.socket, request: Request, fds: list[int]) -> None:
    if request["op"] == "run":
        _attached(connection, request, fds)
    elif request["op"] == "connect":
        answer, made = _connect(request, fds)
        _send(connection, answer, made)
        os.close(made[0])
    else:
        _send(connection, OPERATIONS[request["op"]](request, fds))


def _converse(connection: socket.socket) -> None:
    with connection, contextlib.suppress(ConnectionError):
        while True:
            message, fds, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 3)
            if not message:
                return
            try:
                _answer(connection, json.loads(message), fds)
            except ConnectionError:
                return
            except (OSError, subprocess.TimeoutExpired) as error:
                _send(connection, {"error": str(error)})


def serve(listener: socket.socket) -> None:
    """Answer for ever; a connection that breaks ends its own thread only. The world's folder is the current one."""
    if Path(FAULTS).is_dir():  # there have been faults: an agent before this one may have left some
        _keeper()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_converse, args=(connection,), daemon=True).start()
