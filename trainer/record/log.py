"""A run's log of events: one JSON object a line, numbered and checked, only ever added to.

    {"seq": 12, "time": "…", "event": "arrival", "emulated_s": 3.2, …, "crc": "1f0e55aa"}

`seq` is the number of the line, from 1: the order is total and stays. `crc` is the CRC-32 of all that stands before it
in the line. A kill leaves at most a torn tail, which is cut off when the log is opened again; a line that is damaged
though whole ones follow it was changed by somebody else, and nothing goes on over that. Lines of older versions, which
had neither number nor check, may stand before the first that has them.
"""

import datetime
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from trainer.errors import RunDamaged

Event = dict[str, Any]
_CHECKED = re.compile(rb'(\{"seq": \d+, .*), "crc": "([0-9a-f]{8})"\}', re.DOTALL)

_OLDER = b'{"time": '


def utc_now() -> str:
    """Now, in UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Whole:
    """What of a log is whole: its events, and the `size` (bytes) of their lines; `torn` bytes follow."""

    events: tuple[Event, ...]
    size: int
    torn: int


def whole(data: bytes, name: str) -> Whole:
    """What of a log's content is whole. Raises `RunDamaged` where a damaged line stands before a whole one; `name` is
    the file's, for the message.
    """
    events: list[Event] = []
    size, checked, bad = 0, False, 0
    for number, line in enumerate(_lines(data), 1):
        event = _event(line, old=not checked)
        if event is None:
            bad = bad or number
        elif bad or event.get("seq", number) != number:
            raise RunDamaged(
                f"{name}: line {bad or number} is not as it was written, and it is not the last: the file was changed "
                "since; put back the one that was"
            )
        else:
            checked = checked or "seq" in event
            events.append(event)
            size += len(line)
    return Whole(tuple(events), size, len(data) - size)


def _lines(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end


def _event(line: bytes, old: bool) -> Event | None:
    """The event of a line that is whole; `old`: it may be one of an older version."""
    if not line.endswith(b"\n"):
        return None
    checked = _CHECKED.fullmatch(line[:-1])
    if checked is None:
        return _parsed(line) if old and line.startswith(_OLDER) else None
    body, crc = checked.groups()
    return _parsed(body + b"}") if int(crc, 16) == zlib.crc32(body) else None


def _parsed(text: bytes) -> Event | None:
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


class Log:
    """The one writer of a log. What was torn is cut off as it is opened: `torn` bytes. `events` were there before.

    Raises `RunDamaged`, and changes nothing then.
    """

    def __init__(self, path: Path) -> None:
        before = whole(path.read_bytes() if path.exists() else b"", str(path))
        self.events, self.torn = before.events, before.torn
        self._next = len(before.events) + 1
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self.torn:
            os.ftruncate(self._file, before.size)
            self.sync()

    def add(self, event: str, **fields: object) -> None:
        """Adds an event; it outlives this process at once, and a power cut after `sync`."""
        named = {"seq": self._next, "time": utc_now(), "event": event, **fields}
        body = json.dumps(named, ensure_ascii=False)[:-1].encode()
        line = body + f', "crc": "{zlib.crc32(body):08x}"}}\n'.encode()
        written = os.write(self._file, line)
        if written < len(line):  # the disk is full; what is torn is cut when the log is opened again
            raise OSError(f"the log of events took {written} of {len(line)} bytes")
        self._next += 1

    def sync(self) -> None:
        """All that was added is on the disk."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(path: Path) -> tuple[Event, ...]:
    """The events of a log that may be written to meanwhile; what is torn is left out. Raises `RunDamaged`."""
    return whole(path.read_bytes() if path.exists() else b"", str(path)).events
