"""Starts a user-mode kernel where it would panic or lose its timer: `python -I -S boot_uml.py PROGRAM [ARGUMENT]...`

Registers: Linux 6.1 in user mode has a fixed room for its programs' registers, and the host refuses it where there are
more: on a processor with AMX it panicked at once ("ptrace set fp regs failed, errno = 14"; since 6.13 it asks how many
there are). A host without PTRACE_GETREGSET makes it use the older PTRACE_GETFPREGS, which knows x87 and SSE only. So
this is what it gets: a filter on its system calls refuses the newer one. What is lost are the wider registers of a
program inside, at any page fault: its environment must keep the C library from using them.

Timer: it takes an alarm that comes while it handles the one before for handled (`unblock_signals` of
arch/um/os-Linux/signal.c), and waits for ever for one that it believes to be set: round trips of 14 ms became 300 to
800 then. A second timer that never ends makes it look at its clock each `_BEAT_S`; an exec keeps it. It begins
`_FIRST_S` later: an alarm in the first moments, when the kernel takes alarms and has no clock yet to ask, is a jump to
address 0 (2 of 60 boots on a busy machine panicked with a beat from the beginning).
"""

import ctypes
import os
import signal
import struct
import sys

_FIRST_S, _BEAT_S = 3.0, 0.001
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_X86_64 = 0xC000003E  # AUDIT_ARCH_X86_64
_PTRACE = 101
_GETREGSET = 0x4204
_EINVAL = 22
# Classic BPF over struct seccomp_data: system call number at 0, architecture at 4, first argument at 16.
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_FILTER = (
    (_LOAD, 0, 0, 4),
    (_IF_EQUAL, 0, 5, _X86_64),
    (_LOAD, 0, 0, 0),
    (_IF_EQUAL, 0, 3, _PTRACE),
    (_LOAD, 0, 0, 16),
    (_IF_EQUAL, 0, 1, _GETREGSET),
    (_RETURN, 0, 0, _ERRNO | _EINVAL),
    (_RETURN, 0, 0, _ALLOW),
)


def refuse_register_sets() -> None:
    """From now on PTRACE_GETREGSET fails in this process and all that it starts. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _FILTER))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(_FILTER), ctypes.addressof(code)))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl: no filter on system calls")


def beat() -> None:
    """After `_FIRST_S`, and across an exec, SIGALRM comes each `_BEAT_S`; blocked: an ignored one would be the last."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, _FIRST_S, _BEAT_S)


if __name__ == "__main__":
    refuse_register_sets()
    beat()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - an argument list
