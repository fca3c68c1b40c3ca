"""What happens to the world while a run is on: link changes and faults, taken over into the run's own log."""

import json
from collections.abc import Callable
from pathlib import Path

import anyio

from emulator.events import FILE

_LOOKS_EVERY_S = 0.25


class WorldNews:
    """Tells what is new in a world's log of events since this was made; `world_folder` is None outside a world."""

    def __init__(self, world_folder: Path | None, tell: Callable[..., None]) -> None:
        self._log = world_folder / FILE if world_folder else None
        self._tell = tell
        self._read = self._log.stat().st_size if self._log and self._log.exists() else 0

    async def follow(self) -> None:
        """For as long as the run is on."""
        while self._log is not None:
            self.take()
            await anyio.sleep(_LOOKS_EVERY_S)

    def take(self) -> None:
        """What has come since the last look. A line that is not whole yet waits; one that is torn is passed over."""
        if self._log is None or not self._log.exists():
            return
        with self._log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "event" in event:
                self._tell(event.pop("event"), world_at=event.pop("at", None), **event)
