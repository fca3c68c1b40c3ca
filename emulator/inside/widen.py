"""Lets a user-mode router, once it has booted, lose and delay less: its packet sockets get more room, and it runs in
real time.

A user-mode kernel opens its sockets with the host's default buffer, some ninety packets, and can't be told otherwise;
what comes while it waits for a processor is lost without a trace. The sockets are borrowed for a moment (pidfd_getfd).
"""

import contextlib
import ctypes
import os
import socket
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


def in_real_time(group: int) -> None:
    """All processes of a group run before others, where that is allowed and leaves these a processor.

    With two processors and six things to do, the 99th percentile of a round trip of 4 ms was 4.7 ms then, 37 ms by a
    nice value of -15. Not while it boots: that takes half a second from all that starts beside it.
    """
    if len(os.sched_getaffinity(0)) < 2:
        return
    for tasks in Path("/proc").glob("[0-9]*/task"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(tasks.parent.name)) == group:
                for task in tasks.iterdir():
                    os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(1))
