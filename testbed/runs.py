"""Finding recorded runs, and naming new ones."""

import datetime
import secrets
from pathlib import Path
from typing import Any

from emulator.worlds import home
from trainer.record import Run
from trainer.record import runs as recorded


def listed() -> list[dict[str, Any]]:
    """All runs of this home, the newest first."""
    return [dict(entry) for entry in recorded(home())]


def opened(run: str | None) -> Run:
    """The run of that id, or the newest. Raises `WrongState` where there is none."""
    return Run.open(home(), run)


def new_id() -> str:
    """An id that sorts by its time (UTC) and that no other run has: `20261124-110512-a3f1`."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def folder(run: str) -> Path:
    """A run's folder."""
    return home() / "runs" / run
