"""Waiting has a deadline and a reason."""

import time
from collections.abc import Callable

from emulator.errors import Fell

_PAUSE_S = 0.005


def wait_until(holds: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Return as soon as `holds()` is true. Raises `Fell` naming `what` after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise Fell(f"{what} was not there within {within_s:g} s")
        time.sleep(_PAUSE_S)
