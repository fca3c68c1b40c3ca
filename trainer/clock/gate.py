"""The worker's end of the stage: it stops at each gate until the hub's clock lets it through."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from emulator.errors import Fell
from nodes.fetched import Fetched
from trainer.clock.phases import Gate
from trainer.messages import Ask, Done, Failed


@dataclass
class Pass:
    """What is told of a gate afterwards: modelled `work` (samples × epochs) and the studies that were pulled,
    to be filled in behind it.
    """

    work: float = 0.0
    pulls: list[Fetched] = field(default_factory=list)


class TurnedAway(Exception):  # noqa: N818 - reads as the sentence it is
    """The round has gone on without this site: what it is doing is wanted no more."""


class Stage:
    """One worker's connection to the clock. Blocking. Raises `Fell` when the hub is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    @contextmanager
    def gate(self, gate: Gate) -> Iterator[Pass]:
        """Wait until this gate opens; what is done inside is timed. An error inside leaves the gate unpassed; what was
        pulled before it is told all the same. Raises `TurnedAway`.
        """
        self._say(Ask(say="ask", gate=gate))
        answer = self._lines.readline()
        if not answer:
            raise Fell("the hub has ended")
        if answer == b"no\n":
            raise TurnedAway(gate)
        passed = Pass()
        started = time.monotonic()
        try:
            yield passed
        except Exception:
            if passed.pulls:
                self._say(Failed(pulls=passed.pulls))
            raise
        ended = time.monotonic()
        self._say(Done(gate=gate, started=started, ended=ended, work=passed.work, pulls=passed.pulls))

    def skip(self, gate: Gate) -> None:
        """Say that there is nothing to do behind this gate."""
        self._say(Ask(say="skip", gate=gate))

    def _say(self, message: Ask | Done | Failed) -> None:
        self._connection.sendall(message.model_dump_json().encode() + b"\n")
