"""Reaching into a world from outside, through its agent's Unix socket (`emulator.inside.agent` answers)."""

import contextlib
import json
import os
import signal
import socket
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emulator.errors import Fell, WrongState
from emulator.inside.agent import MESSAGE_BYTES
from emulator.inside.init import AGENT_SOCKET
from emulator.places import Overlay
from emulator.wiring import Step

_STEPS_BYTES = 32_768
_FOLDERS_A_MESSAGE = 200
_LAUNCHES_A_MESSAGE = 50
_ANSWER_S = 300.0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


@contextlib.contextmanager
def _ended_by_the_world() -> Iterator[None]:
    """A connection that breaks, or stays silent, means that the agent or the world has ended."""
    try:
        yield
    except (ConnectionError, TimeoutError) as error:
        raise Fell(f"the world, or its agent, ended in the middle of a request ({error})") from error


def _exchange(connection: socket.socket, request: dict[str, Any] | str, made: list[int] | None = None) -> bytes:
    """One message there (JSON, or what will be), one back; file descriptors that come with it go to `made`."""
    with _ended_by_the_world():
        connection.sendall((request if isinstance(request, str) else json.dumps(request)).encode())
        message, fds, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 1)
    if made is not None:
        made += fds
    return message


def _portions(folders: Sequence[str]) -> Iterator[list[str]]:
    """So many at a time as a message can carry."""
    for start in range(0, len(folders), _FOLDERS_A_MESSAGE):
        yield list(folders[start : start + _FOLDERS_A_MESSAGE])


class Attached:
    """A process inside that ends with us. `pid` is its number inside the world."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self.pid = pid

    def wait(self) -> int:
        """Its exit code; a signal's number negative, as in `subprocess`. Raises `Fell` when the world ends first."""
        with self._connection, _ended_by_the_world():
            answer = self._connection.recv(MESSAGE_BYTES)
        if not answer:
            raise Fell("the world ended while a command ran in it")
        return int(json.loads(answer)["exit"])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it started; after its end, nothing happens."""
        try:
            self._connection.sendall(json.dumps({"signal": int(number)}).encode())
        except OSError:
            return


@dataclass(frozen=True)
class Launch:
    """A process to start at a place: its log and number go to `folder`, and so does what is written to its layer.

    An `urgent` one runs before all other ordinary ones, as far as the caller may say so.
    """

    place: str
    argv: tuple[str, ...]
    folder: str
    env: Mapping[str, str]
    urgent: bool = False
    overlay: Overlay | None = None


class Agent:
    """The agent of the world in `folder`. Thread-safe: each call is a connection of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _connection(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(_ANSWER_S)
        handle = os.open(self._folder, os.O_PATH)
        try:  # through the folder's descriptor: the path itself may be longer than a socket's 108 bytes
            connection.connect(f"/proc/self/fd/{handle}/{AGENT_SOCKET}")
        except OSError as error:
            connection.close()
            raise WrongState(f"world '{self._folder.name}' does not answer ({error}); is it up?") from error
        finally:
            os.close(handle)
        return connection

    def _ask(self, request: dict[str, Any] | str) -> dict[str, Any]:
        with self._connection() as connection:
            return self._answer(_exchange(connection, request))

    def _answer(self, message: bytes) -> dict[str, Any]:
        if not message:
            raise Fell(f"world '{self._folder.name}' ended while it was asked; see {self._folder}/init.log")
        answer: dict[str, Any] = json.loads(message)
        if "error" in answer:
            raise Fell(answer["error"])
        return answer

    def add_places(self, places: Sequence[str], settings: Mapping[str, str]) -> None:
        self._ask({"op": "add-places", "places": list(places), "settings": dict(settings)})

    def remove_places(self, places: Sequence[str]) -> None:
        self._ask({"op": "remove-places", "places": list(places)})

    def configure(self, steps: Iterable[Step]) -> None:
        """Wire places and set their rules, in order; in messages of bounded size. Raises `Fell` with the first refusal.

        A step must not be larger than a message.
        """
        batch: list[str] = []
        size = 0
        for step in steps:
            batch.append(json.dumps(step, default=vars))
            size += len(batch[-1])
            if size > _STEPS_BYTES:
                self._configure(batch)
                batch, size = [], 0
        if batch:
            self._configure(batch)

    def _configure(self, steps: Sequence[str]) -> None:
        self._ask('{"op": "configure", "steps": [' + ",".join(steps) + "]}")

    def spawn(self, launches: Sequence[Launch]) -> None:
        """Start processes that live as long as the world, in order. Raises `Fell` with the first that can't be."""
        for start in range(0, len(launches), _LAUNCHES_A_MESSAGE):
            request = {"op": "spawn", "launches": launches[start : start + _LAUNCHES_A_MESSAGE]}
            self._ask(json.dumps(request, default=vars))

    def alive(self, folders: Sequence[str]) -> frozenset[str]:
        """Which of these services' folders belong to a process that runs."""
        alive: set[str] = set()
        for some in _portions(folders):
            alive.update(self._ask({"op": "alive", "folders": some})["alive"])
        return frozenset(alive)

    def init_pid(self) -> int:
        """The world's init, as the kernel knows it: the process that listens on the agent's socket."""
        with self._connection() as connection:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid: int = _CREDENTIALS.unpack(credentials)[0]
        return pid

    def stop(self, folders: Sequence[str], overlays: Sequence[str] = ()) -> None:
        for some in _portions(folders):
            self._ask({"op": "stop", "folders": some, "overlays": []})
        for some in _portions(overlays):
            self._ask({"op": "stop", "folders": [], "overlays": some})

    def wait_ready(self, place: str, host: str, port: int, path: str | None, within_s: float, folder: str) -> None:
        """Wait until a port at a place answers. Raises `Fell` saying what happened instead."""
        request = {"op": "wait-ready", "place": place, "host": host, "port": port, "path": path}
        self._ask({**request, "within_s": within_s, "folder": folder})

    def wait_said(self, folder: str, word: str, within_s: float) -> None:
        """Wait until the service of `folder` has logged a line that begins with a word. Raises `Fell` if it doesn't."""
        self._ask({"op": "wait-said", "folder": folder, "word": word, "within_s": within_s})

    def favour(self, folder: str, room_bytes: int) -> None:
        """Let the router that is a process, in `folder`, run in real time, with so much room for packets that wait.

        Raises `Fell` where that is refused.
        """
        self._ask({"op": "favour", "folder": folder, "room_bytes": room_bytes})

    def set_name(self, name: str) -> None:
        """What the world's processes take for the machine's name."""
        self._ask({"op": "set-name", "name": name})

    def begin_fault(self, fault: Mapping[str, Any], for_s: float) -> None:
        """Begin a fault (`emulator.inside.keeper`). Raises `Fell` where it can't be: then nothing is changed."""
        self._ask(json.dumps({"op": "begin-fault", "fault": fault, "for_s": for_s}, default=vars))

    def end_faults(self, ids: Sequence[str]) -> None:
        """End faults. Raises `Fell` where one can't be undone; that is tried again."""
        self._ask({"op": "end-faults", "ids": list(ids)})

    def leave_faults(self, left_s: Mapping[str, float]) -> None:
        """Leave faults so many seconds from now on, by their ids."""
        self._ask({"op": "leave-faults", "left_s": dict(left_s)})

    def memory_bytes(self) -> int:
        return int(self._ask({"op": "memory"})["bytes"])

    def connect(self, place: str, host: str, port: int, timeout_s: float) -> socket.socket:
        """A TCP connection made from inside a place. Raises `Fell` when it is refused or takes too long."""
        request = {"op": "connect", "place": place, "host": host, "port": port, "timeout_s": timeout_s}
        made: list[int] = []
        with self._connection() as connection:
            self._answer(_exchange(connection, request, made))
        return socket.socket(fileno=made[0])

    def run(
        self,
        place: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str | None,
        streams: tuple[int, int, int],
    ) -> Attached:
        """Start a process that ends with us. Raises `Fell` when it can't be started."""
        request = {"op": "run", "place": place, "argv": list(argv), "env": dict(env), "cwd": cwd}
        connection = self._connection()
        try:
            with _ended_by_the_world():
                socket.send_fds(connection, [json.dumps(request).encode()], list(streams))
                message = connection.recv(MESSAGE_BYTES)
            answer = self._answer(message)
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise
        return Attached(connection, int(answer["pid"]))

    def output(
        self, place: str, argv: Sequence[str], text: str = "", env: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, str]:
        """Run a short program at a place: its exit code and what it printed."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
            given.write(text.encode())
            given.seek(0)
            code = self.run(place, argv, env, None, (given.fileno(), printed.fileno(), printed.fileno())).wait()
            printed.seek(0)
            return code, printed.read().decode(errors="replace")
