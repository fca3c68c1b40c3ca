"""A world's log of events: one JSON object a line, only ever added to.

Plain Python, because the processes inside a world write it too. A line is written whole by one call, so that writers
don't mix; a writer that was killed in the middle leaves a torn line, which readers pass over.
"""

import datetime
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = "events.jsonl"


def write(folder: Path, event: str, **fields: Any) -> None:
    """Add an event to the log of the world in `folder`, with the time (UTC) as `at`."""
    line = json.dumps({"at": now(), "event": event, **fields}, ensure_ascii=False, allow_nan=False) + "\n"
    log = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(log, (("\n" if _is_torn(log) else "") + line).encode())
    finally:
        os.close(log)


def now() -> str:
    """The time (UTC), as the log writes it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _is_torn(log: int) -> bool:
    size = os.fstat(log).st_size
    return size > 0 and os.pread(log, 1, size - 1) != b"\n"


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Every event of a world, oldest first; lines that were torn are left out."""
    try:
        lines = (folder / FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
