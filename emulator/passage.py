"""ssh's way into a world: `python -m emulator.passage FOLDER PLACE ADDRESS PORT` as ProxyCommand, with ProxyUseFdpass.

ssh is handed a socket that was connected from inside the place, and this process ends: nothing is copied through it.
"""

import socket
import sys
from pathlib import Path

from emulator.errors import TestbedError
from emulator.reach import Agent

_WITHIN_S = 10.0


def hand_over(folder: str, place: str, address: str, port: str) -> None:
    """Send a connected socket to whoever is at the other end of our stdout. Raises `Fell` when nobody answers there."""
    with Agent(Path(folder)).connect(place, address, int(port), _WITHIN_S) as connection:
        ssh = socket.socket(fileno=sys.stdout.fileno())
        socket.send_fds(ssh, [b"\0"], [connection.fileno()])
        ssh.detach()


if __name__ == "__main__":
    try:
        hand_over(*sys.argv[1:])
    except TestbedError as error:
        sys.exit(str(error))
