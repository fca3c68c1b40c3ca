"""Links that vary by themselves: starting who plays them, and talking to it."""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from emulator import score
from emulator.errors import Fell
from emulator.inside.player import SOCKET
from emulator.linkclock import LinkClock
from emulator.reach import Agent, Launch
from emulator.topology.resolved import Topology
from emulator.writing import write_whole

_PLAYER = Path(__file__).parent.parent / "inside" / "player.py"
_FOLDER = "player"
_ANSWER_S = 30.0


def stand_still(folder: Path, agent: Agent, topology: Topology, wan: str) -> None:
    """End who plays the links, unless the same ones are to vary as before: nobody may change a tree of queues that is
    laid anew.
    """
    file, place = folder / score.FILE, player_folder(folder)
    wanted = score.compose(topology, wan)
    if not file.exists() or (wanted and file.read_text() == score.dump(wanted)):
        return
    agent.stop([str(place)])
    (folder / SOCKET).unlink(missing_ok=True)
    (place / "pid").unlink(missing_ok=True)
    file.unlink()


def vary(folder: Path, agent: Agent, topology: Topology, wan: str) -> None:
    """Let a topology's links vary, those that do, on a clock that begins at 0; where they do so already, they go on,
    and the router is told once more what they are.
    """
    wanted = score.compose(topology, wan)
    if (folder / score.FILE).exists():
        look_again(folder)
    elif wanted:
        write_whole(folder / score.FILE, score.dump(wanted).encode())
        LinkClock.start(folder)
        player_folder(folder).mkdir(exist_ok=True)
        argv = (sys.executable, "-I", "-S", str(_PLAYER), str(folder))
        agent.spawn([Launch("wan", argv, str(player_folder(folder)), {}, urgent=True)])


def player_folder(folder: Path) -> Path:
    return folder / _FOLDER


def forward(folder: Path, by_s: float) -> None:
    """Let the links' clock of the world in `folder` jump ahead by `by_s` seconds, as the emulated clock does over
    computing; when this returns, the router has the links of that moment. Nothing happens where no link varies.
    """
    _ask(folder, {"forward_s": by_s})


def look_again(folder: Path) -> None:
    """Let the player see what was changed by hand, and tell the router once more what its links are."""
    _ask(folder, {})


def _ask(folder: Path, request: Mapping[str, float]) -> None:
    """Let the player do something, where there is one; back when it is done. Raises `Fell` where it can't."""
    if not (folder / SOCKET).exists():
        return
    with _player(folder) as connection:
        try:
            connection.send(json.dumps(request).encode())
            answer = json.loads(connection.recv(65_536) or b'{"error": "it ended"}')
        except OSError as error:
            answer = {"error": str(error)}
    if "error" in answer:
        raise Fell(f"the player of the links that vary: {answer['error']}; see {folder / _FOLDER / 'log'}")


@contextlib.contextmanager
def _player(folder: Path) -> Iterator[socket.socket]:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(_ANSWER_S)
    handle = os.open(folder, os.O_PATH)
    try:  # through the folder's descriptor: the path itself may be longer than a socket's 108 bytes
        connection.connect(f"/proc/self/fd/{handle}/{SOCKET}")
        yield connection
    except ConnectionRefusedError as error:
        raise Fell(f"the player of the links that vary has ended; see {folder / _FOLDER / 'log'}") from error
    finally:
        os.close(handle)
        connection.close()
