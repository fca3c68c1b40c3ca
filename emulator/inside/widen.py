"""Gives the packet sockets of another process of this world more room: `python -I -S widen.py PID BYTES`.

A user-mode kernel opens its sockets with the host's default buffer, some ninety packets, and can't be told otherwise;
what comes while it waits for a processor is lost without a trace. The sockets are borrowed for a moment (pidfd_getfd).
"""

import ctypes
import os
import socket
import sys
from pathlib import Path

_SYS_PIDFD_GETFD = 438  # on every architecture
_SO_RCVBUFFORCE = 33
_EVERYTHING = 3  # ETH_P_ALL
_libc = ctypes.CDLL(None, use_errno=True)


def widen(pid: int, room_bytes: int) -> None:
    """Raises `OSError` where that process may not be looked into."""
    process = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if str(entry.readlink()).startswith("socket:"):
                _widen(_borrowed(process, int(entry.name)), room_bytes)
    finally:
        os.close(process)


def _borrowed(process: int, number: int) -> socket.socket:
    copy = _libc.syscall(_SYS_PIDFD_GETFD, process, number, 0)
    if copy < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return socket.socket(fileno=copy)


def _widen(borrowed: socket.socket, room_bytes: int) -> None:
    with borrowed:
        if borrowed.family != socket.AF_PACKET or borrowed.getsockname()[1] != _EVERYTHING:
            return  # that one only sends; what it hears nobody reads
        try:
            borrowed.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, room_bytes)
        except PermissionError:  # an ordinary user's world has as much as the host allows everybody
            borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room_bytes)


if __name__ == "__main__":
    widen(int(sys.argv[1]), int(sys.argv[2]))
