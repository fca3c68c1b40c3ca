"""Children that share this process's memory: forked, not started, and never left behind."""

import ctypes
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Child:
    """A forked process. `ended` is a pidfd: it becomes readable when the process has ended."""

    name: str
    pid: int
    ended: int

    def end(self) -> None:
        """Kill it, if it still runs."""
        signal.pidfd_send_signal(self.ended, signal.SIGKILL)

    def reap(self) -> int:
        """Waits for its end; its exit code, negative for the signal that ended it."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.ended)
        return os.waitstatus_to_exitcode(status)


def fork(name: str, body: Callable[[], int], called: str) -> Child:
    """A child that runs `body` and ends with its code; `called` is what the kernel calls it (15 letters at most).

    It ends with this process, whatever ends that. It heeds no Ctrl-C: a terminal sends that to everybody at
    once, and only the launcher knows in which order to end.
    """
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _be_child(parent, body, called)
    return Child(name, pid, os.pidfd_open(pid))


def _be_child(parent: int, body: Callable[[], int], called: str) -> None:
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it had ended before the kernel knew
            os._exit(1)
        Path("/proc/self/comm").write_text(called)
        signal.set_wakeup_fd(-1)
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        code = body()
    except BaseException:  # noqa: BLE001 - a child must never go on with its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"its worker was ended by {signal.Signals(-code).name}"
    return f"its worker ended with exit code {code}"


class Wake:
    """Signals that ask this process to end, as something to wait for. A context manager."""

    def __enter__(self) -> "Wake":
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._before = {number: signal.signal(number, lambda *_: None) for number in ENDING_SIGNALS}
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, before in self._before.items():
            signal.signal(number, before)
        self._woken.close()
        self._wake.close()

    def fileno(self) -> int:
        """Readable once a signal has come."""
        return self._woken.fileno()
