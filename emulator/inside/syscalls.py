"""The few Linux system calls that Python 3.11's standard library lacks."""

import ctypes
import fcntl
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

_SIOCETHTOOL = 0x8946
_SYS_INIT_MODULE = 175  # numbers of x86-64, the only architecture with a user-mode-linux package
_SYS_KCMP = 312
_KCMP_VM = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own (unshare(2))."""
    _check(_libc.unshare(flags), "unshare")


def enter(namespace: int, kind: int) -> None:
    """Move the calling thread into the namespace behind a file descriptor (setns(2))."""
    _check(_libc.setns(namespace, kind), "setns")


def mount(source: str, target: str, filesystem: str, flags: int = 0, options: str = "") -> None:
    """mount(2). The mount program is setuid on some systems and refuses to work in a user namespace."""
    arguments = (
        source.encode(),
        target.encode(),
        filesystem.encode(),
        ctypes.c_ulong(flags),
        options.encode(),
    )
    _check(_libc.mount(*arguments), f"mount {filesystem} on {target}")


def unmount(target: str) -> None:
    """Detach a mount (umount2 with MNT_DETACH)."""
    _check(_libc.umount2(target.encode(), 2), f"umount {target}")


def load_module(image: bytes) -> None:
    """Load a kernel module from memory; one that is there already is fine."""
    try:
        _check(_libc.syscall(_SYS_INIT_MODULE, image, ctypes.c_ulong(len(image)), b""), "init_module")
    except FileExistsError:
        return


def set_ethtool(control: int, interface: str, command: int, value: int) -> None:
    """One ethtool setting of an interface, through any socket of its network namespace (ioctl SIOCETHTOOL)."""
    setting = ctypes.create_string_buffer(struct.pack("II", command, value))
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(setting))
    fcntl.ioctl(control, _SIOCETHTOOL, request)


def shares_memory(one: int, other: int) -> bool:
    """Whether two processes have one address space, as a user-mode kernel's helpers have (kcmp(2))."""
    return other > 0 and _libc.syscall(_SYS_KCMP, one, other, _KCMP_VM, 0, 0) == 0
