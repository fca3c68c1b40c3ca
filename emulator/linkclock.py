"""The links' clock: seconds since a world's links began to vary, and what the emulated clock has skipped besides."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from emulator.writing import write_whole

_FILE = "link-clock.json"


@dataclass(frozen=True)
class LinkClock:
    """`started_s` is a moment of the machine's monotonic clock; `forwarded_s` is added to what has passed since."""

    started_s: float
    forwarded_s: float = 0.0

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Set the clock of the world in `folder` to 0."""
        return cls(time.monotonic()).write(folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The clock of the world in `folder`; one that stands at 0 where none was started."""
        try:
            return cls(**json.loads((folder / _FILE).read_text()))
        except FileNotFoundError:
            return cls(time.monotonic())

    def write(self, folder: Path) -> Self:
        write_whole(folder / _FILE, json.dumps({"started_s": self.started_s, "forwarded_s": self.forwarded_s}).encode())
        return self

    def forward(self, by_s: float) -> Self:
        return replace(self, forwarded_s=self.forwarded_s + by_s)

    def now(self) -> float:
        return time.monotonic() - self.started_s + self.forwarded_s
