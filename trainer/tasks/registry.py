"""What a task is, and where they are found by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from nodes.endpoints import Endpoint
from nodes.fetched import Fetched
from trainer.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from nodes.curation import Policy
    from nodes.pull import Study

Values: TypeAlias = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Sample:
    """One subject as the network sees it: `values` (channels, z, y, x) and the index of its class."""

    values: Values
    label: int


class Source(Protocol):
    """Where a site's samples come from. A context manager: it may hold connections."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def odd(self) -> Sequence[str]:
        """Studies of the last `studies` that can't be asked for, in words."""
        ...

    def studies(self) -> list[str]:
        """The UIDs of all studies that the site has."""
        ...

    def fetch(self, uid: str) -> tuple[Sample | None, Fetched]:
        """One study, pulled and prepared (None where curation drops it), and how it came."""
        ...


class Task(Protocol):
    """What is learned. `classes` names the network's outputs; `view` names how samples are prepared: another
    view, another cache. `shape` is that of a sample: channels, z, y, x.
    """

    classes: tuple[str, ...]
    view: str
    shape: tuple[int, int, int, int]

    def source(self, endpoint: Endpoint, folder: Path, curation: "Policy | None", secret: str) -> Source:
        """The samples of the site whose PACS answers there, its studies looked through by curation where asked, and
        de-identified before where there is a `secret`.

        What is on its way lies in `folder`, on the worker's disk; what an earlier process has left there is not pulled
        again.
        """
        ...

    def prepare(self, study: "Study") -> Sample:
        """A study that is there already, as a sample: the same as `source` makes of it."""
        ...

    def warm(self) -> None:
        """Load what preparing samples needs: done once, before workers are forked, and shared by all of them."""
        ...

    def network(self) -> "nn.Module":
        """A new network: samples of shape (batch, channels, z, y, x) to logits (batch, classes)."""
        ...


tasks: Registry[Task] = Registry("task", __package__, [str(Path(__file__).parent)])
