"""What counts as a difference between a run and its replay."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from testbed.differences import Told, of_models, of_runs

SITES = ("chu", "lyon", "nice")
ARRIVED = st.fixed_dictionaries({site: st.floats(0, 100) for site in SITES})


def told(number: int, **other: object) -> Told:
    same = Told(number, SITES, (), 30.0, f"{number:064x}", {"update": 1_000_000, "control": 9_000}, {})
    return replace(same, **other)  # type: ignore[arg-type]


def kinds(before: Told, after: Told) -> set[str]:
    return {one["what"] for one in of_runs([before], [after])}


def test_a_run_does_not_differ_from_itself() -> None:
    run = [told(number) for number in (1, 2, 3)]
    assert of_runs(run, run) == of_models(run, run) == []


def test_each_kind_of_difference_is_told_with_its_round_and_both_sides() -> None:
    assert of_runs([told(1), told(2)], [told(1), told(2, participants=SITES[:2])]) == [
        {"round": 2, "what": "participants", "recorded": [*SITES], "replayed": ["chu", "lyon"]}
    ]
    assert kinds(told(1), told(1, late=("nice",))) == {"late"}
    assert kinds(told(1), told(1, model_sha256="f" * 64)) == {"model_sha256"}
    assert kinds(told(1), told(1, wire={"update": 1_200_000, "control": 9_000})) == {"update bytes"}
    assert kinds(told(1), told(1, emulated_s=40.0)) == {"emulated_s"}
    assert of_runs([told(1), told(2)], [told(1)])[0]["what"] == "rounds"


def test_noise_is_no_difference() -> None:
    noisy = told(1, wire={"update": 1_030_000, "control": 25_000}, emulated_s=32.0)
    assert of_runs([told(1)], [noisy]) == []


def test_a_strict_replay_is_judged_by_its_models_alone() -> None:
    other = told(1, emulated_s=900.0, wire={})
    assert of_models([told(1)], [other]) == []
    assert [one["round"] for one in of_models([told(1), told(2)], [other, told(2, model_sha256="0" * 64)])] == [2]


@given(ARRIVED, st.fixed_dictionaries({site: st.floats(-0.12, 0.12) for site in SITES}))
def test_arrivals_that_move_a_little_keep_their_order(then: dict[str, float], moved: dict[str, float]) -> None:
    now = {site: at + moved[site] for site, at in then.items()}
    assert kinds(told(1, arrived=then), told(1, arrived=now)) == set()


def test_arrivals_that_change_places_are_told_in_both_orders() -> None:
    before = told(1, arrived={"chu": 1.0, "lyon": 2.0, "nice": 3.0})
    after = told(1, arrived={"chu": 9.0, "lyon": 2.0, "nice": 3.0})
    assert of_runs([before], [after]) == [
        {"round": 1, "what": "order", "recorded": ["chu", "lyon", "nice"], "replayed": ["lyon", "nice", "chu"]}
    ]
