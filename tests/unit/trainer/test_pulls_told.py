"""What a site pulled is in the run's record whether or not the site got through, and says which study failed."""

import asyncio
import contextlib
import socket
import threading
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from emulator.topology.resolved import Curation
from nodes.errors import PullFailed
from nodes.fetched import Fetched
from trainer.clock import stage
from trainer.clock.gate import Stage
from trainer.held_out import split
from trainer.tasks.registry import Sample
from trainer.worker.shelf import Shelf
from trainer.worker.studies import Studies


class Archive:
    """A source of samples: study 1.2 can't be had, and one of the list can't be asked for."""

    odd: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def studies(self) -> list[str]:
        return ["1.1", "1.2", "1.3"]

    def fetch(self, uid: str) -> tuple[Sample, Fetched]:
        fetched = Fetched(uid, "wado-rs", "the best", 2, 100, 0)
        if uid == "1.2":
            error = PullFailed("lyon: study 1.2 could not be pulled: cut")
            error.fetched = fetched
            raise error
        return Sample(np.zeros((1, 1, 1, 1), np.float16), 0), fetched


def studies(archive: Archive, tmp_path: Path, curation: Curation | None = None) -> Studies:
    divide = partial(split, test_fraction=0.5, seed=1, site="lyon")
    return Studies("lyon", lambda: archive, Shelf(tmp_path), divide, curation)


def test_a_study_that_fails_is_told_beside_those_that_came(tmp_path: Path) -> None:
    came: list[Fetched] = []
    with pytest.raises(PullFailed, match=r"study 1\.2 could not be pulled"):
        studies(Archive(), tmp_path).pull(came)
    assert [(one.study, one.fate, one.rx) for one in came] == [
        ("1.1", "kept", 100),
        ("1.2", "failed", 100),
        ("1.3", "kept", 100),
    ]
    assert came[1].remark == "lyon: study 1.2 could not be pulled: cut"


@pytest.mark.parametrize(("curation", "fate"), [(None, "failed"), ("stop", "failed"), ("drop", "dropped")])
def test_a_study_that_nobody_can_ask_for_is_told_too(tmp_path: Path, curation: Curation | None, fate: str) -> None:
    archive = Archive()
    archive.odd = ("the PACS sent '../x' for a study's UID",)
    came: list[Fetched] = []
    with pytest.raises(PullFailed):
        studies(archive, tmp_path, curation).pull(came)
    assert (came[-1].fate, "'../x'" in came[-1].remark) == (fate, True)


def test_the_hub_hears_what_was_pulled_at_a_gate_that_was_not_passed() -> None:
    ours, theirs = socket.socketpair()

    def work() -> None:
        worker = Stage(theirs)
        with contextlib.suppress(PullFailed), worker.gate("pull") as passed:
            passed.pulls.append(Fetched("1.2", "", "", 0, 0, 0, fate="failed", remark="cut"))
            raise PullFailed("lyon: study 1.2: cut")
        worker.skip("train")
        theirs.shutdown(socket.SHUT_RDWR)

    async def hear() -> list[Fetched]:
        hub = stage.Stage(lambda site: None)
        ours.sendall(b"go\n")
        await hub.listen("lyon", ours)
        return [pull.fetched for pull in hub.take_pulls()]

    worker = threading.Thread(target=work)
    worker.start()
    (told,) = asyncio.run(hear())
    worker.join()
    assert (told.study, told.fate, told.remark) == ("1.2", "failed", "cut")
