"""Keeps the faults of a world: carries them out, and undoes each at its end, whoever asked for it and is gone by now.

A fault is plain data: what to do and what undoes it, both as requests of the agent, and until when. It lies in the
world's folder from before its first step to after its last, so an agent that takes the place of a killed one knows of
it. Whatever was cut in its middle is undone: all steps of `undo` may come twice, and without their `do`.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from emulator import events
from emulator.inside.agent import FAULTS as FOLDER
from emulator.writing import write_whole

_PAUSE_S = 1.0  # before another try to undo what could not be undone
_TRIES = 60
_LONGEST_S = 3600.0  # of one wait; a lock takes no more than some centuries, and infinity is more

Request = dict[str, Any]
CarryOut = Callable[[Request], Request]


@dataclass(frozen=True)
class Kept:
    """One fault. Moments are seconds of the machine's monotonic clock.

    `holds` names what no other fault may take hold of meanwhile. With `beat_s` it comes and goes by itself: so long
    done, so long undone. `tried` counts attempts to undo it that failed.
    """

    id: str
    fault: str
    on: tuple[str, ...]
    settings: Request
    holds: tuple[str, ...]
    do: tuple[Request, ...]
    undo: tuple[Request, ...]
    begun_s: float
    until_s: float
    beat_s: tuple[float, float] | None = None
    is_on: bool = False
    tried: int = 0

    @classmethod
    def read(cls, file: Path) -> Self:
        fields = json.loads(file.read_text()).items()
        values: Request = {name: tuple(value) if isinstance(value, list) else value for name, value in fields}
        return cls(**values)

    def write(self, folder: Path) -> None:
        write_whole(folder / f"{self.id}.json", json.dumps(asdict(self)).encode())

    @property
    def told(self) -> Request:
        """What the log says of it."""
        return {"id": self.id, "fault": self.fault, "on": self.on, "settings": self.settings}

    def done_at(self, now_s: float) -> bool:
        """Whether it is in force then: a beating one is so at the beginning of each beat."""
        if self.beat_s is None:
            return True
        return (now_s - self.begun_s) % sum(self.beat_s) < self.beat_s[0]

    def next_after(self, now_s: float) -> float:
        """When something is to be done about it."""
        if self.beat_s is None or self.tried:
            return self.until_s
        passed = (now_s - self.begun_s) % sum(self.beat_s)
        turns = self.beat_s[0] if passed < self.beat_s[0] else sum(self.beat_s)
        return min(self.until_s, now_s + turns - passed)


def kept(folder: Path) -> Iterator[Kept]:
    """The faults that are on in the world in `folder`, the oldest first."""
    files = (folder / FOLDER).glob("*.json")
    yield from sorted((Kept.read(file) for file in files), key=lambda one: (one.begun_s, one.id))


class Keeper:
    """The faults of the world in `folder`; `carry_out` does one request. Thread-safe."""

    def __init__(self, folder: Path, carry_out: CarryOut) -> None:
        self._folder = folder
        self._carry_out = carry_out
        self._lock = threading.Condition()
        self._on: dict[str, Kept] = {}
        self._done: dict[str, bool] = {}  # of those that beat: whether they are in force now

    def keep(self) -> None:
        """For ever: undo what has come to its end, and let beat what beats."""
        with self._lock:
            self._take_over()
            while True:
                self._settle()
                now_s = time.monotonic()
                next_s = min((one.next_after(now_s) for one in self._on.values()), default=now_s + _LONGEST_S)
                self._lock.wait(max(0.0, min(next_s - now_s, _LONGEST_S)))

    def _take_over(self) -> None:
        """What another keeper left; one that was not wholly begun ends at once."""
        for one in kept(self._folder):
            self._on[one.id] = one if one.is_on else replace(one, until_s=0.0)

    def begin(self, request: Request) -> Request:
        """Begin a fault: it is in force when this returns, or not at all."""
        asked = request["fault"]
        with self._lock:
            if held := self._held(asked["holds"]):
                return {"error": held}
            now_s = time.monotonic()
            one = Kept(**asked, begun_s=now_s, until_s=now_s + request["for_s"])
            (self._folder / FOLDER).mkdir(exist_ok=True)
            one.write(self._folder / FOLDER)
            try:
                self._all(one.do)
                events.write(self._folder, "fault-started", **one.told, for_s=request["for_s"])
                one = replace(one, is_on=True)
                one.write(self._folder / FOLDER)
            except OSError as error:
                self._on[one.id] = replace(one, until_s=0.0)
                self._settle()
                return {"error": str(error)}
            self._on[one.id] = one
            self._done[one.id] = True
            self._lock.notify_all()
        return {}

    def _held(self, wanted: list[str]) -> str | None:
        """Why a fault can't be: another has hold of what it needs."""
        for one in self._on.values():
            if both := [thing for thing in wanted if thing in one.holds]:
                return f"{one.fault} ({one.id}) has hold of {both[0]}; end it first, or wait for its end"
        return None

    def end(self, request: Request) -> Request:
        """End faults before their time; those that are over already are no matter."""
        with self._lock:
            for name in request["ids"]:
                if name in self._on:
                    self._on[name] = replace(self._on[name], until_s=0.0)
            self._settle()
            left = [one.told["fault"] for name, one in self._on.items() if name in request["ids"]]
            self._lock.notify_all()
        return {"error": f"could not be undone yet: {', '.join(left)}"} if left else {}

    def leave(self, request: Request) -> Request:
        """Leave faults so many seconds from now on, in `left_s` by their ids; those that are over are no matter."""
        with self._lock:
            for name, left_s in request["left_s"].items():
                if one := self._on.get(name):
                    self._on[name] = replace(one, until_s=time.monotonic() + left_s)
                    self._on[name].write(self._folder / FOLDER)
            self._settle()
            self._lock.notify_all()
        return {}

    def _settle(self) -> None:
        """Do and undo what is due."""
        now_s = time.monotonic()
        for one in list(self._on.values()):
            if one.until_s <= now_s:
                self._undo(one)
            elif one.beat_s and one.done_at(now_s) != self._done.get(one.id):
                self._turn(one, one.done_at(now_s))

    def _turn(self, one: Kept, done: bool) -> None:
        """Let a beating fault come or go. Who it is about may be gone for a while: its next beat may find it again."""
        with contextlib.suppress(OSError):
            self._all(one.do if done else one.undo)
        self._done[one.id] = done

    def _undo(self, one: Kept) -> None:
        try:
            self._all(one.undo)
        except OSError as error:
            again_s = time.monotonic() + (_PAUSE_S if one.tried < _TRIES else float("inf"))
            self._on[one.id] = replace(one, until_s=again_s, tried=one.tried + 1)
            events.write(self._folder, "fault-not-undone", **one.told, error=str(error))
            return
        self._on.pop(one.id)
        self._done.pop(one.id, None)
        lasted_s = round(time.monotonic() - one.begun_s, 3)
        events.write(self._folder, "fault-ended", **one.told, lasted_s=lasted_s, whole=one.is_on)
        (self._folder / FOLDER / f"{one.id}.json").unlink(missing_ok=True)

    def _all(self, steps: tuple[Request, ...]) -> None:
        for step in steps:
            answer = self._carry_out(step)
            if "error" in answer:
                raise OSError(answer["error"])
