"""The first process of a world: takes namespaces and forks the world's init.

Run as `python -I -S start.py FOLDER LIFELINE_FD`; prints the init's process number and ends. Without arguments it only
tries whether the namespaces are to be had.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from emulator.inside import init, syscalls


def _isolate() -> None:
    """Leave the host's namespaces; as an ordinary user, become root of a user namespace first."""
    user, group = os.getuid(), os.getgid()
    flags = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
    flags |= syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNET
    syscalls.unshare(flags | (syscalls.CLONE_NEWUSER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def main() -> None:
    _isolate()
    if len(sys.argv) == 1:
        init.keep_mounts_private()  # refused in a chroot, whose root is no mount
        return
    folder, lifeline = sys.argv[1], int(sys.argv[2])
    child = os.fork()
    if child:
        print(child, flush=True)
        os._exit(0)
    os.setsid()
    init.main(folder, lifeline)


if __name__ == "__main__":
    main()
