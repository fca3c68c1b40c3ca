"""Leads a training at the hub: the baseline that federated learning has to beat.

    order     the hub says what to do                                          all at once, real
    pull      every site pulls its studies from its PACS                       a few at a time, real
    send      every site sends them across the WAN at its emulated moment      as they come, real

Only sites whose studies are not at the hub yet do so. Then the rounds of the conductor with one worker, at the hub,
which trains on all of them, and scores each site's held-out subjects as that site's.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from trainer.clock.courses import Course
from trainer.config import AT_HUB
from trainer.hub.arrivals import Arrivals
from trainer.hub.conductor import Conductor, Models
from trainer.hub.results import Book
from trainer.messages import Report
from trainer.record import RoundRecord


class Central(Conductor):
    """One training at the hub. `held` are the sites whose studies the hub's warehouse has."""

    def __init__(self, arrivals: Arrivals, held: frozenset[str], **conductors: Any) -> None:
        super().__init__(**conductors)
        self._arrivals, self._held = arrivals, held

    @property
    def _here(self) -> frozenset[str]:
        """Sites whose studies are at the hub."""
        return self._held | self._arrivals.here

    def _wanted(self) -> frozenset[str]:
        lacking = frozenset(site.name for site in self._config.working) - self._arrivals.here
        return lacking | {AT_HUB}

    async def _train(self, course: Course, book: Book, models: Models, sites: tuple[str, ...]) -> tuple[str, ...]:
        """Everything up to the hub's own update."""
        self._desk.clear()
        senders = tuple(site for site in sites if site != AT_HUB)
        if senders:
            self._desk.order("send", book.number, dict.fromkeys(senders, None))
            for site in await course.send(senders):
                self._arrivals.close(site)
        self._quorate(tuple(self._here), book)
        return await super()._train(course, book, models, tuple(site for site in sites if site == AT_HUB))

    def _reports(self) -> dict[str, Report]:
        """Each site's part of what the hub's worker reported."""
        return dict(part for report in self._desk.reports.values() for part in _parts(report).items())

    def _record(
        self, book: Book, models: Models, participants: tuple[str, ...], start: float, end: float
    ) -> RoundRecord:
        return super()._record(book, models, tuple(sorted(self._here)), start, end)


def _parts(report: Report) -> Mapping[str, Report]:
    ends = [0]
    for _, count in report.shares:
        ends.append(ends[-1] + count)
    return {
        site: report.model_copy(
            update={"labels": report.labels[a:b], "probabilities": report.probabilities[a:b], "shares": []}
        )
        for (site, _), (a, b) in zip(report.shares, pairwise(ends), strict=True)
    }
