"""Tries netem on a loopback in namespaces of its own: exit 0 where this kernel has it, else tc's reason on stderr."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from emulator.inside import syscalls


def main() -> int:
    syscalls.unshare(syscalls.CLONE_NEWNET | (syscalls.CLONE_NEWUSER if os.getuid() else 0))
    order = ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    tried = subprocess.run(order, capture_output=True, text=True, check=False)
    print(tried.stderr.strip().split("\n")[0], file=sys.stderr)
    return tried.returncode


if __name__ == "__main__":
    sys.exit(main())
