"""The pull: from any PACS to the worker's store, the best way that it offers, and on from where it was cut."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, Self

from nodes.endpoints import Endpoint
from nodes.errors import Cut, Declined, PullFailed, Unreadable
from nodes.fetched import Fetched
from nodes.pull import c_get, c_move, wado_rs, ways
from nodes.pull.elements import Data
from nodes.pull.intake import Intake
from nodes.pull.links import Links
from nodes.pull.listing import Entry, StudyEntry
from nodes.pull.patience import Patience, Tries
from nodes.pull.store import Holding, Store
from nodes.pull.studies import Assembly, Study

_ = (wado_rs, c_get, c_move)  # the ways: known by being imported


_MOST_AGAIN = 3
"""Damaged instances of one study that are fetched once more: where more are, the archive has them so."""


class Lens(Protocol):
    """What becomes of a file, and of a UID, before anybody looks at it."""

    def file(self, data: Data) -> Data:
        """The file as it is looked at; raises Unreadable."""

    def uid(self, old: str) -> str:
        """What a UID is called then."""


class Client:
    """Pulls studies from one PACS into a store. A context manager; blocking.

    What a PACS can't do is found out once, by trying it, and remembered for as long as the client lives. What comes is
    looked at through a `lens`, if there is one; the store keeps what came.
    """

    def __init__(
        self, endpoint: Endpoint, store: Store, patience: Patience | None = None, lens: Lens | None = None
    ) -> None:
        self._lens = lens
        self._endpoint = endpoint
        self._store = store
        self._patience = patience or Patience()
        self._links = Links(endpoint, self._patience)
        self._expected: dict[str, int | None] = {}
        self._ways: dict[str, ways.Way] = {}
        self.refusals: dict[str, str] = {}
        """Ways that this PACS does not offer, and how that showed."""
        self.odd: list[str] = []
        """Studies that its list holds and that can't be asked for, in words."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._links.close()

    def studies(self) -> list[str]:
        """The UIDs of all studies, sorted; raises PullFailed."""
        try:
            listed, self.odd = self._listed()
        except PullFailed as error:
            raise PullFailed(f"{self._endpoint.site}: {error}") from error
        self._expected = {entry.uid: entry.instances for entry in listed}
        return list(self._expected)

    def _listed(self) -> tuple[list[StudyEntry], list[str]]:
        tries = Tries(self._patience)
        while True:
            try:
                return self._links.studies()
            except Cut as error:
                tries.again(error, progress=False)

    def study(self, uid: str) -> tuple[Study, Fetched]:
        """A study as volumes: pulled, where the store does not have it already, and put together slice by slice.

        An instance that proves damaged is fetched once more. Raises PullFailed that names site, study and instance.
        """
        _, made, fetched = self.made(uid)
        if isinstance(made, Unreadable):
            error = Unreadable(f"{self._endpoint.site}: study {uid}: {made}")
            error.fetched = fetched
            raise error from made
        return made, fetched

    def made(self, uid: str) -> tuple[Holding, Study | Unreadable, Fetched]:
        """The same, with its instances; where no volume can be made of them, why not. Raises PullFailed where the
        study can't be had.
        """
        holding, fetched = self.pull(uid)
        again: set[str] = set()
        while True:
            try:
                return holding, self._assembled(holding), fetched
            except Damaged as damaged:
                if damaged.instance in again or len(again) == _MOST_AGAIN:
                    return holding, damaged, fetched
                again.add(damaged.instance)
                holding.drop(damaged.instance)
                holding, more = self.pull(uid)
                fetched = _together(fetched, more)
            except Unreadable as error:
                return holding, error, fetched

    def seen(self, data: Data) -> Data:
        """A file as it is looked at; raises Unreadable."""
        return data if self._lens is None else self._lens.file(data)

    def _assembled(self, holding: Holding) -> Study:
        assembly = Assembly()
        for instance, data in holding.views():
            try:
                assembly.add(self.seen(data))
            except Unreadable as error:
                raise Damaged(instance.uid, error) from error
        return assembly.study(holding.study if self._lens is None else self._lens.uid(holding.study))

    def forget(self, uid: str) -> None:
        """Take a study out of the store."""
        self._store.forget(uid)

    def pull(self, uid: str) -> tuple[Holding, Fetched]:
        """All instances of a study, verified and kept; raises PullFailed that names site and study."""
        began = time.monotonic()
        holding = self._store.holding(uid)
        intake, tries = Intake(holding), Tries(self._patience)
        failed: dict[str, PullFailed] = {}
        for name in [one for one in ways.ORDER if one not in self.refusals]:
            tries.another_way()
            try:
                self._by(name, intake, tries)
            except PullFailed as error:
                self._links.hang_up(whole=False)
                failed[name] = error
                continue
            why = self._why(failed, intake)
            self._remember(failed)
            return holding, _fetched(name, why, intake, tries, began)
        why = self._why(failed, intake)
        lost = PullFailed(f"{self._endpoint.site}: study {uid} could not be pulled: {why}")
        lost.fetched = _fetched("", why, intake, tries, began)
        raise lost

    def _why(self, failed: Mapping[str, PullFailed], intake: Intake) -> str:
        """Why the better ways were not it, in their order."""
        reasons = {**self.refusals, **failed}
        said = [f"no {name}: {reasons[name]}" for name in ways.ORDER if name in reasons]
        return "; ".join((*said, *dict.fromkeys(intake.noted))) or "the best"

    def _remember(self, failed: Mapping[str, PullFailed]) -> None:
        """What another way could give is no fault of the study: these ways are not tried again."""
        self.refusals |= {name: str(error) for name, error in failed.items() if isinstance(error, Declined | Cut)}

    def _by(self, name: str, intake: Intake, tries: Tries) -> None:
        """One way, as often as it takes."""
        while True:
            before = len(intake.holding)
            try:
                self._through(self._way(name), intake, tries)
                return
            except Cut as error:
                self._links.hang_up(whole=False)
                tries.again(error, progress=len(intake.holding) > before)
            except Unreadable:
                if len(intake.holding) == before:
                    raise  # else what is lacking may come this time

    def _way(self, name: str) -> ways.Way:
        if name not in self._ways:
            if name not in self._endpoint.retrieve:
                self.refusals[name] = "the hospital does not allow it"
                raise Declined(self.refusals[name])
            way = ways.get(name)(self._links)
            if why := way.lacks():
                self.refusals[name] = why
                raise Declined(why)
            self._ways[name] = way
        return self._ways[name]

    def _through(self, way: ways.Way, intake: Intake, tries: Tries) -> None:
        """The whole study where nothing of it is here, then what it lacks; raises Unreadable where it still does."""
        clean = False
        if not len(intake.holding):
            way.whole(intake)
            if self._sound(intake):
                return
            clean = not intake.refused and not intake.noted
        missing = self._missing(intake)
        if missing is None:
            if not clean:
                way.whole(intake)  # what is here already comes again, and is not kept twice
            missing = []
        elif missing:
            tries.count += bool(intake.noted or intake.refused)
            way.some(intake, missing)
        lacking = [entry.uid for entry in missing if entry.uid not in intake.holding]
        if lacking or not len(intake.holding):
            raise Unreadable(_lacking(lacking, intake))

    def _missing(self, intake: Intake) -> list[Entry] | None:
        """What the PACS has of the study and we have not; None where it does not say what it has."""
        try:
            listed, odd = self._links.instances(intake.study)
        except Cut:
            raise
        except PullFailed as error:
            intake.noted.append(str(error))
            return None
        intake.noted += odd
        return [entry for entry in listed if entry.uid not in intake.holding]

    def _sound(self, intake: Intake) -> bool:
        """Whether what came as a whole was the whole, as the PACS said before; where it has not, its list must tell."""
        expected = self._expected.get(intake.study)
        whole = expected is not None and 0 < len(intake.holding) >= expected
        return whole and not intake.refused and not intake.noted


def _fetched(way: str, why: str, intake: Intake, tries: Tries, began: float) -> Fetched:
    seconds = time.monotonic() - began
    instances = len(intake.holding)
    return Fetched(intake.study, way, why, instances, intake.rx, intake.tx, tries.count, intake.doubled, seconds)


def _lacking(missing: Sequence[str], intake: Intake) -> str:
    said = [f"instance {uid}: {intake.refused.get(uid, 'it did not come')}" for uid in missing[:3]]
    more = [f"and {len(missing) - 3} more"] if len(missing) > 3 else []
    said += more or [f"{called}: {why}" for called, why in intake.refused.items() if called not in missing][:3]
    return "; ".join((*said, *intake.noted)) or "the PACS sent no instance"


def _together(first: Fetched, second: Fetched) -> Fetched:
    return replace(
        second,
        rx=first.rx + second.rx,
        tx=first.tx + second.tx,
        retries=first.retries + 1 + second.retries,
        doubled=first.doubled + second.doubled,
        seconds=first.seconds + second.seconds,
    )


class Damaged(Unreadable):
    """An `instance` that has come, and is no image."""

    def __init__(self, instance: str, why: Unreadable) -> None:
        super().__init__(f"instance {instance}: {why}")
        self.instance = instance
