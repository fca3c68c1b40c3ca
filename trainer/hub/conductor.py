"""Leads a training, round by round.

Round r begins from the model that the workers hold, and ends when they have scored model r: so round r's
scores belong to model r.

    order     the hub says what to do                                          all at once, real
    model     (first round only) every site fetches the initial model          all at once, real
    pull      every site pulls the studies that it does not hold               a few at a time, real
    train     every site trains                                                a few at a time, modelled
    update    every site sends its update at its emulated moment               as they come, real
    order     the hub says what to do                                          all at once, real
    model     every site fetches model r                                       all at once, real
    eval      every site scores model r on its held-out subjects               a few at a time, modelled
    report    every site sends its scores                                      all at once, real

On the real clock every site goes through the same at its own pace, and modelled computing is waited for.

Who takes part, how long the rest is waited for, and what becomes of late updates is the attendance's to say.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.fidelity.findings import verdict
from emulator.topology.resolved import Compute
from trainer import weights
from trainer.aggregation import Update
from trainer.algorithms import Algorithm
from trainer.clock.computing import seconds_per_sample
from trainer.clock.courses import COURSES, Course
from trainer.clock.emulated import Hands
from trainer.clock.phases import Phase
from trainer.clock.stage import Lost, Stage
from trainer.config import LaunchConfig
from trainer.errors import RunFailed
from trainer.hub.attendance import Attendance
from trainer.hub.desk import Desk
from trainer.hub.fidelity import Probes, late, overran
from trainer.hub.linktime import LinkTime
from trainer.hub.meters import Meters
from trainer.hub.results import Book, metrics, pull_bytes
from trainer.hub.scenario import Scenario
from trainer.messages import Report
from trainer.record import RoundRecord, Writer
from trainer.weights import Weights

GATHER_S = 60.0
ATTEMPTS = 3  # at a round whose quorum was missed
Say = Callable[..., None]


@dataclass(frozen=True)
class Models:
    """The model of the run: `shared` by all, or one a site kept `at_home` (SHA-256 by site). `name` is the
    run's hash of it.
    """

    name: str
    shared: bytes | None
    at_home: Mapping[str, str]


class QuorumMissed(RunFailed):
    """Too few sites got through a round; it can be tried again."""


class Conductor:
    """One training. `say` tells the face what happens."""

    def __init__(
        self,
        config: LaunchConfig,
        algorithm: Algorithm,
        classes: tuple[str, ...],
        computes: Mapping[str, Compute],
        desk: Desk,
        stage: Stage,
        writer: Writer,
        meters: Meters,
        probes: Probes,
        link_time: LinkTime,
        attendance: Attendance,
        scenario: Scenario,
        say: Say,
    ) -> None:
        self._config = config
        self._algorithm = algorithm
        self._classes = classes
        self._computes = computes
        self._desk = desk
        self._stage = stage
        self._writer = writer
        self._meters = meters
        self._probes = probes
        self._link_time = link_time
        self._attendance = attendance
        self.scenario = scenario
        self._say = say
        self._playing: Phase | None = None
        self._absent: dict[str, str] = {}  # sites that were missing from the last round, and why
        self.gone: dict[str, str] = {}  # sites whose worker will not come back, and why

    async def conduct(self, initial: Weights) -> None:
        """All rounds that are still to do. Raises `RunFailed` when no site is left in a round."""
        last = self._writer.last
        asked = self._config.training.rounds
        first = last.round + 1 if last else 1
        models = self._resumed(last.model_sha256) if last else self._begun(initial)
        emulated = last.emulated_end_s if last else 0.0
        self._absent = dict(last.missing) if last else {}
        if torn := self._writer.torn:
            self._tell("log-cut", bytes=torn)
        self._tell(
            "started", run=self._config.run_folder.name, rounds=asked, first=first, sites=len(self._config.sites)
        )
        self._begin_counting(first)
        for number in range(first, asked + 1):
            models, emulated = await self._round(number, models, emulated)

    def _begin_counting(self, first: int) -> None:
        """What crossed the wire for rounds that were lost is kept apart, and said."""
        mark, lost = self._meters.begin(self._writer.mark)
        self._probes.start(self._meters.queues)
        if mark is not None:
            self._writer.begin_counting(mark, first, lost)
        if lost is not None:
            self._tell("lost-traffic", before_round=first, wire_bytes=sum(count.rx + count.tx for count in lost.wire))

    def _begun(self, initial: Weights) -> Models:
        if not self._algorithm.exchanges:
            return Models("", None, {})
        data = weights.pack(initial)
        return Models(self._writer.keep(data), data, {})

    def _resumed(self, name: str) -> Models:
        if not self._algorithm.exchanges:
            return Models(name, None, json.loads(self._writer.kept(name, "json")))
        return Models(name, self._writer.kept(name), {})

    async def _round(self, number: int, models: Models, emulated: float) -> tuple[Models, float]:
        """One whole round; where it misses its quorum it is tried again, and costs what it costs."""
        book = Book(number, Hands(emulated, self._paces(number)))
        self._writer.emulated = lambda: book.hands.shows(self._playing, time.monotonic())
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(book, models, emulated)
            except QuorumMissed as missed:
                if attempt == ATTEMPTS or not self._config.training.quorum:
                    raise
                self._tell("round-lost", round=number, attempt=attempt, why=str(missed))
                book.missing.clear()
        raise AssertionError("unreachable: the last attempt raises")

    async def _attempt(self, book: Book, models: Models, emulated: float) -> tuple[Models, float]:
        self._desk.lapse(self._stage.behind)
        sites = await self._gather(book)
        await self._probes.begin([site.name for site in self._config.sites if site.name in sites])
        self._tell("round-started", round=book.number, sites=len(sites))
        await self.scenario.round(book.number)
        course = self._course(book)
        through = await self._train(course, book, models, sites)
        await self.scenario.aggregating()
        trained, participants = self._aggregate(book, models, through)
        await self._evaluate(course, book, trained, through)
        trained = self._settled(trained, models)
        self._tell_overruns(book)
        end = book.hands.met
        await self.scenario.settled()
        kept = self._record(book, trained, participants, emulated, end)
        self._writer.close_round(kept)
        self._absent = dict(kept.missing)
        self._tell_round(kept)
        return trained, end

    async def _gather(self, book: Book) -> tuple[str, ...]:
        """Waits for every worker that is alive and free; a site whose worker does not come is missing."""
        absent = self._attendance.absent(book.number, book.hands.met)
        wanted = self._wanted() - absent.keys()
        deadline = time.monotonic() + min(GATHER_S, self._config.deadline_s)
        while (left := deadline - time.monotonic()) > 0 and wanted - self.gone.keys() - self._stage.present:
            self._stage.changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._stage.changed.wait()
            except TimeoutError:
                break
        self._stage.forget_the_past()
        present = wanted & self._stage.present
        for site in sorted(wanted - present):
            self._lose(book, Lost(site, self.gone.get(site, "its worker did not come")))
        for site, why in sorted(absent.items()):
            self._lose(book, Lost(site, why))
        return self._quorate(tuple(sorted(present)), book)

    def _wanted(self) -> frozenset[str]:
        """Whose workers a round waits for."""
        return frozenset(site.name for site in self._config.sites)

    def _reports(self) -> dict[str, Report]:
        """What the round's model scored, by site."""
        return self._desk.reports

    def _paces(self, number: int) -> Mapping[str, float]:
        seed = self._config.seed
        return {site: seconds_per_sample(compute, seed, site, number) for site, compute in self._computes.items()}

    def _course(self, book: Book) -> Course:
        async def play(phase: Phase) -> None:
            await self._link_time.enter(phase, book.hands.at.values(), time.monotonic())
            self._playing = phase
            await self.scenario.enter(phase, book.hands.at.values(), time.monotonic())
            async with self._probes.during(phase):
                await self._stage.play(phase, lambda lost: self._fall_out(book, lost))
            self._playing = None
            book.enter(phase)

        config = self._config
        return COURSES[config.training.clock](book.hands, play, config.deadline_s, config.cpu_slots)

    async def _train(self, course: Course, book: Book, models: Models, sites: tuple[str, ...]) -> tuple[str, ...]:
        """Everything up to the last update that is waited for; the sites that got through."""
        self._desk.behind = self._stage.behind
        self._desk.clear()
        if models.shared is not None:
            self._desk.offer(models.shared)
        begin_with = {site: models.name if models.shared else models.at_home.get(site) for site in sites}
        self._desk.order("train", book.number, begin_with)
        last = await course.train(sites, self._attendance.enough(book.number, book.hands.met))
        for site, why in self._attendance.close(book.number, last).items():
            self._lose(book, Lost(site, why))
        return self._quorate(last.through, book)

    def _aggregate(self, book: Book, models: Models, through: tuple[str, ...]) -> tuple[Models, tuple[str, ...]]:
        """The next model, and the sites whose updates are in it."""
        if models.shared is None:
            return models, through
        before = weights.unpack(models.shared)
        updates = self._attendance.updates(book.number, through, book.hands.met)
        self._tell_aggregation(book.number, models.name, updates)
        for update in updates:
            if update.round != book.number:
                book.late[update.site] = f"its update of round {update.round} came late; it counts {update.share:.0%}"
        data = weights.pack(self._algorithm.server_update(before, updates))
        return Models(self._writer.keep(data), data, {}), tuple(sorted({update.site for update in updates}))

    def _tell_aggregation(self, number: int, model: str, updates: Sequence[Update]) -> None:
        """Before it is done, and for good: a replay goes by it."""
        used = [{"site": one.site, "round": one.round, "samples": one.samples, "share": one.share} for one in updates]
        self._writer.event("aggregated", durable=True, round=number, model=model, updates=used)

    async def _evaluate(self, course: Course, book: Book, models: Models, sites: tuple[str, ...]) -> None:
        """Every site scores the model."""
        if models.shared is not None:
            self._desk.offer(models.shared)
        self._desk.order("evaluate", book.number, dict.fromkeys(sites, models.name if models.shared else None))
        await course.evaluate(sites)

    def _settled(self, models: Models, before: Models) -> Models:
        """Where models stay at home, the round's model is the list of all of them: its hash stands for them all."""
        if models.shared is not None:
            return models
        at_home = {**before.at_home, **{site: report.model for site, report in self._desk.reports.items()}}
        listed = json.dumps(at_home, sort_keys=True, indent=1).encode()
        return Models(self._writer.keep(listed, "json"), None, at_home)

    def _record(
        self, book: Book, models: Models, participants: tuple[str, ...], start: float, end: float
    ) -> RoundRecord:
        measured = self._meters.read()
        pulls = self._stage.take_pulls()
        faults, broken = self.scenario.take()
        found = (late(book.latest_s), *overran(book.overran), *self._probes.end(self._meters.queues))
        findings = tuple(finding for finding in found if finding.place not in broken)
        return RoundRecord(
            number=book.number,
            started=book.started,
            wall_s=book.wall_s,
            emulated_s=end - start,
            emulated_end_s=end,
            model_sha256=models.name,
            fidelity=verdict(findings),
            participants=participants,
            missing=dict(sorted(book.missing.items())),
            late=dict(sorted(book.late.items())),
            back={site: f"was missing: {self._absent[site]}" for site in participants if self._back(book, site)},
            metrics=metrics(self._reports(), self._classes),
            times=book.times(),
            payload=(*pull_bytes(pulls), *measured.payload),
            wire=measured.wire,
            resent=measured.resent,
            drops=measured.drops,
            mark=measured.mark,
            findings=findings,
            faults=faults,
            pulls=tuple(pulls),
        )

    def _back(self, book: Book, site: str) -> bool:
        return site in self._absent and site not in book.missing and site not in book.late

    def _fall_out(self, book: Book, lost: Lost) -> None:
        self._desk.withdraw(lost.site)
        self._lose(book, lost)

    def _lose(self, book: Book, lost: Lost) -> None:
        book.missing[lost.site] = lost.why
        self._tell("missing", round=book.number, site=lost.site, why=lost.why)

    def _quorate(self, sites: tuple[str, ...], book: Book) -> tuple[str, ...]:
        """These sites. Raises `QuorumMissed` where they are too few."""
        if not sites:
            raise QuorumMissed(f"round {book.number}: no site is left to train with: {_by_reason(book.missing)}")
        if len(sites) < (needed := self._attendance.quorum(book.number)):
            raise QuorumMissed(
                f"round {book.number}: {len(sites)} of {len(self._config.sites)} sites are there, and it needs "
                f"{needed}: {_by_reason(book.missing)}"
            )
        return sites

    def _tell(self, event: str, **fields: Any) -> None:
        self._writer.event(event, **fields)
        self._say(event, **fields)

    def _tell_overruns(self, book: Book) -> None:
        """Sites for which this machine was too slow on the real clock, and by how much."""
        if late := book.overran:
            self._tell("overrun", round=book.number, sites={site: round(by, 4) for site, by in late.items()})

    def _tell_round(self, kept: RoundRecord) -> None:
        """In the log `emulated_s` is the moment, as of every event; whoever follows wants to know how long it took."""
        told: dict[str, Any] = {
            "round": kept.number,
            "of": self._config.training.rounds,
            "wall_s": round(kept.wall_s, 4),
            "participants": list(kept.participants),
            "missing": dict(kept.missing),
            "late": dict(kept.late),
            "back": dict(kept.back),
            "metrics": {name: round(value, 4) for name, value in kept.metrics[""].items()},
            "fidelity": kept.fidelity,
            "fidelity_why": [finding.said for finding in kept.findings if finding.exceeded],
            "model_sha256": kept.model_sha256,
        }
        self._writer.event("round", took_s=round(kept.emulated_s, 4), **told)
        self._say("round", emulated_s=round(kept.emulated_s, 4), **told)


def _by_reason(missing: Mapping[str, str]) -> str:
    """Who is missing and why, each reason once: fifty sites mostly have the same one."""
    sites: dict[str, list[str]] = {}
    for site, why in sorted(missing.items()):
        sites.setdefault(why, []).append(site)
    more = {why: f" and {len(names) - 1} more" if len(names) > 1 else "" for why, names in sites.items()}
    return "; ".join(f"{names[0]}{more[why]}: {why}" for why, names in sites.items())
