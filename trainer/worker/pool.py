"""The studies of all sites, at the hub: each site's own samples, divided as that site itself would divide them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nodes.fetched import Fetched
from nodes.pull import Study
from nodes.pull.studies import Assembly
from trainer.arrived import listed, store_of
from trainer.tasks.registry import Sample, Source
from trainer.worker.studies import Studies


class Pool:
    """`held` are the studies of sites that lie in the warehouse. Of the others, those are in it that have `arrived` as
    a whole; `sent` makes them from the site's name and its UIDs. Always in the order of the sites' names.
    """

    def __init__(
        self, held: Mapping[str, Studies], arrived: Path, sent: Callable[[str, tuple[str, ...]], Studies]
    ) -> None:
        self._held = held
        self._arrived = arrived
        self._make = sent
        self._sent: dict[str, Studies] = {}

    @property
    def all_here(self) -> bool:
        """Whether nothing has to be pulled or prepared; sites may have come since the last look."""
        for site, uids in listed(self._arrived).items():
            if site not in self._sent:
                self._sent[site] = self._make(site, uids)
        return all(studies.all_here for studies in self._of_all())

    def pull(self, came: list[Fetched]) -> None:
        """Prepares what sites have sent, and pulls the rest from the warehouse; adds how that `came`."""
        for studies in self._sent.values():
            studies.pull([])
        for studies in self._held.values():
            studies.pull(came)

    def train(self) -> list[Sample]:
        """Site after site."""
        return [sample for studies in self._of_all() for sample in studies.train()]

    def test(self) -> list[Sample]:
        """Site after site."""
        return [sample for studies in self._of_all() for sample in studies.test()]

    def shares(self) -> list[tuple[str, int]]:
        """How many of each site's are held out."""
        everything = {**self._held, **self._sent}
        return [(site, len(everything[site].test())) for site in sorted(everything)]

    def take_pulled_again(self) -> list[Fetched]:
        """From the warehouse; what was sent is on this disk."""
        for studies in self._sent.values():
            studies.take_pulled_again()
        return [fetched for studies in self._held.values() for fetched in studies.take_pulled_again()]

    def forget(self) -> None:
        """What is not kept goes."""
        for studies in self._of_all():
            studies.forget()

    def _of_all(self) -> list[Studies]:
        everything = {**self._held, **self._sent}
        return [everything[site] for site in sorted(everything)]


class Arrived:
    """What a site has sent, as a source of samples."""

    def __init__(self, folder: Path, site: str, uids: Sequence[str], prepare: Callable[[Study], Sample]) -> None:
        self._store = store_of(folder, site)
        self._uids = uids
        self._prepare = prepare
        self.odd: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def studies(self) -> list[str]:
        """All that came."""
        return list(self._uids)

    def fetch(self, uid: str) -> tuple[Sample, Fetched]:
        """One study, prepared from this disk."""
        holding, assembly = self._store.holding(uid), Assembly()
        for _, data in holding.views():
            assembly.add(data)
        return self._prepare(assembly.study(uid)), Fetched(uid, "sent", "its site sent it", len(holding), 0, 0)


@dataclass(frozen=True)
class Selected:
    """These studies of a source, and no others."""

    source: Source
    uids: tuple[str, ...]

    @property
    def odd(self) -> list[str]:
        """What can't be asked for is none of them."""
        return []

    def __enter__(self) -> Self:
        self.source.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.source.__exit__(*error)

    def studies(self) -> list[str]:
        """Those of them that are there."""
        return sorted(set(self.uids) & set(self.source.studies()))

    def fetch(self, uid: str) -> tuple[Sample | None, Fetched]:
        """As the source gives it."""
        return self.source.fetch(uid)
