"""The record of a run: one folder, written by the hub alone, read by everybody.

RUN/topology.json    the resolved topology          RUN/events.jsonl        what happened, appended
RUN/config.json      what it was started with       RUN/run.sqlite          rounds, metrics, times, bytes
RUN/lock             held while it is trained       RUN/models/SHA256.*     every round's model, named by its content
"""

from trainer.record.folder import Lock
from trainer.record.reader import Run, runs
from trainer.record.rounds import Bytes, Dropped, Happened, Lost, Mark, Pull, Resent, RoundRecord, Time
from trainer.record.writer import Last, Writer

__all__ = [
    "Bytes",
    "Dropped",
    "Happened",
    "Last",
    "Lock",
    "Lost",
    "Mark",
    "Pull",
    "Resent",
    "RoundRecord",
    "Run",
    "Time",
    "Writer",
    "runs",
]
