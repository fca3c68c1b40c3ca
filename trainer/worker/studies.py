"""A site's studies: pulled from its PACS once, or once a round, and handed out prepared."""

from collections.abc import Callable, Mapping
from typing import Protocol

from nodes.curation import Policy
from nodes.errors import PullFailed
from nodes.fetched import Fetched
from trainer.held_out import Split
from trainer.tasks.registry import Sample, Source
from trainer.worker import pulls
from trainer.worker.shelf import Shelf


class Samples(Protocol):
    """What a worker trains on and tests with."""

    @property
    def all_here(self) -> bool:
        """Whether nothing has to be pulled."""

    def pull(self, came: list[Fetched]) -> None:
        """Pulls and prepares what is not here, and adds to `came` how each study came. Raises PullFailed."""

    def train(self) -> list[Sample]:
        """Those to train on, always in the same order."""

    def test(self) -> list[Sample]:
        """Those that are held out, likewise."""

    def shares(self) -> list[tuple[str, int]]:
        """Whose those that are held out are, and how many of each, in their order; none where all are one site's."""

    def take_pulled_again(self) -> list[Fetched]:
        """What had to be pulled again since the last asking, because it was damaged on the disk."""

    def forget(self) -> None:
        """The round is over: what is not kept goes."""


class Studies:
    """The samples of one `site`. With a shelf they stay on the worker's disk, checked by hash at each use; else they
    are forgotten after the round.

    `labels` (class by UID) is known after the first pull; `divide` says which of them are held out.
    """

    def __init__(
        self,
        site: str,
        source: Callable[[], Source],
        shelf: Shelf | None,
        divide: Callable[[Mapping[str, int]], Split],
        curation: Policy | None,
    ) -> None:
        self._site = site
        self._source = source
        self._shelf = shelf
        self._divide = divide
        self._curation = curation
        self._held: dict[str, Sample] = {}
        self.labels: dict[str, int] = {}
        self._pulled_again: list[Fetched] = []

    @property
    def all_here(self) -> bool:
        """Whether nothing has to be pulled."""
        return bool(self.labels) and all(self._is_here(uid) for uid in self.labels)

    def pull(self, came: list[Fetched]) -> None:
        """Pulls what is not here, and adds to `came` how each study came. One that can't be had does not keep the
        others from coming; then raises PullFailed that names the first, and where curation leaves nothing."""
        labels: dict[str, int] = {}
        failures: list[PullFailed] = []
        with self._source() as source:
            for uid in sorted(source.studies()):
                sample = None if self._shelf is None else self._shelf.get(uid)
                try:
                    if sample is None:
                        sample, fetched = self._fetch(source, uid)
                        came.append(fetched)
                except PullFailed as error:
                    failures.append(error)
                    came.append(pulls.failed(uid, error))
                else:
                    if sample is not None:
                        labels[uid] = sample.label
            pulls.pass_over(self._site, self._curation, source.odd, came, failures)
        pulls.prove(self._site, came, failures, len(labels))
        self.labels = labels

    def train(self) -> list[Sample]:
        """Those to train on. One that has been damaged on the disk is pulled again (see `take_pulled_again`)."""
        return [self._sample(uid) for uid in self._divide(self.labels).train]

    def test(self) -> list[Sample]:
        """Those that are held out, likewise."""
        return [self._sample(uid) for uid in self._divide(self.labels).test]

    def shares(self) -> list[tuple[str, int]]:
        """All are this site's."""
        return []

    def take_pulled_again(self) -> list[Fetched]:
        """What had to be pulled again since the last asking."""
        taken, self._pulled_again = self._pulled_again, []
        return taken

    def forget(self) -> None:
        """The round is over: what is not kept goes."""
        self._held.clear()

    def _is_here(self, uid: str) -> bool:
        return uid in self._held if self._shelf is None else self._shelf.has(uid)

    def _sample(self, uid: str) -> Sample:
        found = self._held.get(uid) if self._shelf is None else self._shelf.get(uid)
        if found is not None:
            return found
        with self._source() as source:
            sample, fetched = self._fetch(source, uid)
        self._pulled_again.append(fetched)
        if sample is None:
            raise PullFailed(f"{self._site}: study {uid} was there, and is dropped now: {fetched.remark}")
        return sample

    def _fetch(self, source: Source, uid: str) -> tuple[Sample | None, Fetched]:
        sample, fetched = source.fetch(uid)
        if sample is None:
            return None, fetched
        if self._shelf is None:
            self._held[uid] = sample
        else:
            self._shelf.put(uid, sample)
        return sample, fetched
