"""The host's end of a guest's channel: shell scripts in, what they printed out, without any network.

`LENGTH\\n` and a script go in; `STATUS LENGTH\\n` and what it printed (its last 64 KiB) come out. One at a time.
"""

import os
import socket
from pathlib import Path
from typing import Self

from emulator.errors import Fell

NAME = "testbed.agent"
"""The name of the port in the guest."""
_MOST_BYTES = 65_536
_HEAD_BYTES = 64


class Channel:
    """One connection; a guest's port has one at a time."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = os.open(path.parent, os.O_PATH)
        try:  # through the folder's descriptor: a path in /proc is longer than what it stands for
            self._socket.connect(f"/proc/self/fd/{folder}/{path.name}")
        except OSError:
            self._socket.close()
            raise
        finally:
            os.close(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def run(self, script: str, within_s: float, what: str) -> str:
        """What a script in the guest printed. Raises `Fell`, naming `what`, where it fails or takes longer."""
        data = script.encode()
        self._socket.settimeout(within_s)
        try:
            self._socket.sendall(b"%d\n%s" % (len(data), data))
            status, length = self._head()
            said = self._exactly(length).decode(errors="replace")
        except (OSError, ValueError) as error:
            raise Fell(f"{what}: the guest does not answer on its channel within {within_s:g} s ({error})") from error
        if status:
            raise Fell(f"{what}: exit code {status} in the guest: {said.strip()[-800:]}")
        return said

    def _head(self) -> tuple[int, int]:
        head = b""
        while not head.endswith(b"\n"):
            part = self._socket.recv(1)
            if not part or len(head) > _HEAD_BYTES:
                raise ValueError(f"a strange answer: {head!r}")
            head += part
        status, length = (int(word) for word in head.split())
        if not 0 <= length <= _MOST_BYTES:
            raise ValueError(f"an answer of {length} bytes")
        return status, length

    def _exactly(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            part = self._socket.recv(length - len(found))
            if not part:
                raise ValueError("an answer that breaks off")
            found += part
        return found
