"""What can go wrong in a training.

TestbedError                 exit code
├── WrongInput               2
│   ├── UnknownName          2   a task or algorithm that does not exist (of `nodes.errors`)
│   └── ParcelDamaged        2   the file of an exported run is not as it was packed
├── WrongState               4
│   ├── NoRun                4   there is no such run
│   ├── RunBusy              4   another process is training this run
│   ├── RunDamaged           4   a file of the run is not as it was written
│   ├── CannotReplay         4   the record does not tell enough to make the run again
│   └── CannotResume         4   the run is done, or was started with other settings
├── RunFailed                1   no site was left to train with
└── TransferFailed           1   a model or an update did not get through
    └── UpdateRefused        1   the hub looked at an update and would not have it
"""

from emulator.errors import TestbedError, WrongInput, WrongState
from nodes.errors import UnknownName

__all__ = [
    "CannotReplay",
    "CannotResume",
    "NoRun",
    "ParcelDamaged",
    "RunBusy",
    "RunDamaged",
    "RunFailed",
    "TransferFailed",
    "UnknownName",
    "UpdateRefused",
    "WrongInput",
    "WrongState",
]


class ParcelDamaged(WrongInput):
    """The file of an exported run is not as it was packed."""


class NoRun(WrongState):
    """There is no such run, or none at all."""


class RunBusy(WrongState):
    """Another process is training this run."""


class RunDamaged(WrongState):
    """A file of the run is not as it was written."""


class CannotReplay(WrongState):
    """The record does not tell enough to make the run again."""


class CannotResume(WrongState):
    """This run can't go on."""


class RunFailed(TestbedError):  # noqa: N818 - reads as the sentence it is
    """The training can't go on by itself."""


class TransferFailed(TestbedError):  # noqa: N818 - reads as the sentence it is
    """A model or an update did not get through before its deadline."""


class UpdateRefused(TransferFailed):
    """An update that is not one: other tensors than the model's, or values that are not finite."""
