"""Runs a Python program, a file, whose TCP sockets all have Nagle's algorithm off.

For servers that have no word for that. A program of its own, started by its path: it imports nothing of the testbed.
"""

import runpy
import socket
import sys
from typing import Any


class QuickSocket(socket.socket):
    """A socket that sends at once; what a listening one accepts inherits that from it (Linux)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.family in (socket.AF_INET, socket.AF_INET6) and self.type == socket.SOCK_STREAM:
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if __name__ == "__main__":
    socket.socket = QuickSocket  # type: ignore[misc] # the whole point
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
