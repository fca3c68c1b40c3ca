"""What a user-mode kernel is started with, seen by a program that stands in its place."""

import subprocess
import sys
from functools import cache

from emulator.wan.uml import STARTED

_BOOT = STARTED[:-2]  # without the kernel, and what its own programs find

_LOOK = """
import ctypes, errno, signal, time
alarms = []
signal.signal(signal.SIGALRM, lambda *_: alarms.append(time.monotonic()))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
began = time.monotonic()
deadline = began + 10
while len(alarms) < 20 and time.monotonic() < deadline:
    time.sleep(0.001)
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
for request in (0x4204, 0x4206):  # GETREGSET, SEIZE: of nobody's process
    libc.ptrace(ctypes.c_long(request), ctypes.c_long(2**22 + 1), ctypes.c_void_p(0), ctypes.c_void_p(0))
    print(errno.errorcode[ctypes.get_errno()])
signal.setitimer(signal.ITIMER_REAL, 0)  # Python forgets its handler before it ends
print(len(alarms))
print(alarms[0] - began)
"""


@cache
def _seen() -> list[str]:
    argv = [*_BOOT, sys.executable, "-I", "-S", "-c", _LOOK]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout.split()


def test_a_kernel_that_is_booted_is_refused_register_sets_and_nothing_else_of_ptrace() -> None:
    assert _seen()[:2] == ["EINVAL", "ESRCH"]


def test_alarms_go_on_after_the_exec_and_none_comes_while_a_kernel_has_no_clock_yet() -> None:
    _, _, alarms, first_s = _seen()
    assert int(alarms) >= 20
    assert float(first_s) > 2
