"""What a record forces on a strict replay."""

from typing import Any

import pytest

from trainer.config import Scripted, Used
from trainer.errors import CannotReplay
from trainer.record import versions
from trainer.record.script import scripted


def aggregated(number: int, *used: tuple[str, int, float]) -> dict[str, Any]:
    return {
        "event": "aggregated",
        "round": number,
        "updates": [{"site": site, "round": of, "samples": 9, "share": share} for site, of, share in used],
    }


def test_who_trained_for_a_round_is_told_by_the_rounds_that_counted_it() -> None:
    events = [
        aggregated(1, ("lyon", 1, 1.0), ("chu", 1, 1.0)),
        aggregated(2, ("chu", 2, 1.0), ("nice", 1, 0.7)),
    ]
    assert scripted([1, 2], events, "x") == (
        Scripted(
            round=1,
            train=("chu", "lyon", "nice"),
            use=(Used(site="lyon", round=1, share=1.0), Used(site="chu", round=1, share=1.0)),
        ),
        Scripted(
            round=2,
            train=("chu",),
            use=(Used(site="chu", round=2, share=1.0), Used(site="nice", round=1, share=0.7)),
        ),
    )


def test_of_a_round_that_was_lost_and_done_again_the_last_attempt_counts() -> None:
    events = [aggregated(1, ("chu", 1, 1.0), ("lyon", 1, 1.0)), aggregated(1, ("chu", 1, 1.0))]
    assert scripted([1], events, "x")[0].train == ("chu",)


def test_a_log_that_does_not_tell_a_round_is_said() -> None:
    with pytest.raises(CannotReplay, match=r"run x can.t be replayed strictly: .* round 2"):
        scripted([1, 2], [aggregated(1, ("chu", 1, 1.0))], "x")


def test_another_machine_is_told_by_what_differs_and_by_nothing_else() -> None:
    here = versions.here()
    assert {"python", "torch", "numpy", "processor"} <= here.keys()
    assert versions.differing(here, here) == []
    other = {**here, "torch": "1.0", "gone": "1"}
    assert versions.differing(other, here) == [{"what": "torch", "recorded": "1.0", "here": here["torch"]}]
