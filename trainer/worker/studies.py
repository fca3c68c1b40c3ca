"""A site's studies: pulled from its PACS once, or once a round, and handed out prepared."""

from collections.abc import Iterable

from trainer.config import SitePlace
from trainer.tasks.registry import Sample, Source, Task, Traffic
from trainer.worker.shelf import Shelf


class Studies:
    """With `keep`, samples stay on the worker's disk, checked by hash at each use; else they are forgotten
    after the round.

    `labels` (class by UID) is known after the first pull.
    """

    def __init__(self, task: Task, place: SitePlace, keep: bool) -> None:
        self._task = task
        self._place = place
        self._shelf = Shelf(place.cache_folder / task.view) if keep else None
        self._held: dict[str, Sample] = {}
        self.labels: dict[str, int] = {}
        self._pulled_again = Traffic()

    @property
    def all_here(self) -> bool:
        """Whether nothing has to be pulled."""
        return bool(self.labels) and all(self._is_here(uid) for uid in self.labels)

    def pull(self) -> Traffic:
        """Pulls what is not here; the payload bytes that it took."""
        with self._task.source(self._place.pacs_url) as source:
            uids, traffic = source.studies()
            labels = {}
            for uid in sorted(uids):
                sample = None if self._shelf is None else self._shelf.get(uid)
                if sample is None:
                    sample, its = self._fetch(source, uid)
                    traffic += its
                labels[uid] = sample.label
            self.labels = labels
        return traffic

    def samples(self, uids: Iterable[str]) -> list[Sample]:
        """These samples. One that has been damaged on the disk is pulled again (see `take_pulled_again`)."""
        return [self._sample(uid) for uid in uids]

    def take_pulled_again(self) -> Traffic:
        """Payload bytes of what had to be pulled again since the last asking."""
        taken, self._pulled_again = self._pulled_again, Traffic()
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
        with self._task.source(self._place.pacs_url) as source:
            sample, traffic = self._fetch(source, uid)
        self._pulled_again += traffic
        return sample

    def _fetch(self, source: Source, uid: str) -> tuple[Sample, Traffic]:
        sample, traffic = source.fetch(uid)
        if self._shelf is None:
            self._held[uid] = sample
        else:
            self._shelf.put(uid, sample)
        return sample, traffic
