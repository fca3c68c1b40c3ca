"""The real clock's rules, with time as a number, and that the emulated one keeps to them."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.clock.emulated import Hands
from trainer.clock.phases import Enough, Fetching, Gate, Moments, Passage, Phase, Slots
from trainer.clock.real import RealTime, Running

GATES: tuple[Gate, ...] = ("train", "update")
BEGAN = 100.0
SECONDS = st.floats(0.0, 50.0)


def play(phase: Phase, takes: Mapping[tuple[str, Gate], float], now: float, work: float = 1.0) -> float:
    """Plays a phase whose workers really take these seconds, and ask again at once; the moment when it is over."""
    left = {site: list(phase.gates) for site in phase.sites}
    ends: dict[str, float] = {}
    for site in left:
        phase.ask(site, left[site][0], now)
    while True:
        for site in phase.grant(now):
            ends[site] = now + takes[site, left[site][0]]
        if phase.over:
            return now
        wake = phase.wake_at(now)
        now = min([*ends.values(), *([] if wake is None else [wake])])
        for site in sorted(site for site, at in ends.items() if at <= now):
            del ends[site]
            gate = left[site].pop(0)
            phase.done(site, gate, Passage(now - takes[site, gate], now, work), now)
            if left[site]:
                phase.ask(site, left[site][0], now)


def real_time(modelled: Mapping[str, float], slots: int = 99, gates: tuple[Gate, ...] = GATES) -> RealTime:
    clock = Running(0.0, BEGAN)
    return RealTime(gates, modelled, BEGAN, 1e9, clock, slots, lambda site, work: work * modelled[site])


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=8))
def test_both_clocks_show_the_same_where_computing_is_quick_and_transfers_take_what_they_take(
    asked: list[tuple[float, float]],
) -> None:
    modelled = {f"s{i}": computing for i, (computing, _) in enumerate(asked)}
    takes: dict[tuple[str, Gate], float] = {(f"s{i}", "update"): flight for i, (_, flight) in enumerate(asked)}
    takes |= {(site, "train"): 0.0 for site in modelled}
    emulated, real = Hands(0.0, modelled), Hands(0.0, modelled)

    trained = Slots(("train",), modelled, BEGAN, 1e9, slots=2)
    play(trained, takes, BEGAN)
    emulated.advance(trained)
    sent = Moments("update", dict(emulated.at), BEGAN, 1e9)
    play(sent, takes, BEGAN)
    emulated.advance(sent)
    went = real_time(modelled)
    over = play(went, takes, BEGAN)
    real.advance(went)

    assert real.at == pytest.approx(emulated.at, abs=1e-5)
    assert over - BEGAN == pytest.approx(max(real.at.values()), abs=1e-5)


@given(st.integers(1, 3), st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=6))
def test_a_site_is_late_by_what_its_computing_overran_and_never_early(
    slots: int, asked: list[tuple[float, float]]
) -> None:
    modelled = {f"s{i}": computing for i, (computing, _) in enumerate(asked)}
    takes: dict[tuple[str, Gate], float] = {(f"s{i}", "train"): really for i, (_, really) in enumerate(asked)}
    takes |= {(site, "update"): 1.0 for site in modelled}
    phase = real_time(modelled, slots)
    play(phase, takes, BEGAN)
    for site, computing in modelled.items():
        overrun = phase.overruns[site, "train"]
        assert overrun >= max(0.0, takes[site, "train"] - computing) - 1e-9
        assert phase.granted_at[site] == pytest.approx(BEGAN + computing + overrun, abs=1e-6)
    hands = Hands(0.0, modelled)
    columns = dict.fromkeys(modelled, 0.0)
    for stretch in hands.advance(phase):
        columns[stretch.site] += stretch.seconds
    assert hands.at == pytest.approx(columns, abs=1e-6)


def test_never_more_than_the_slots_are_on_the_processor_and_transfers_need_none() -> None:
    phase = real_time(dict.fromkeys(("chu", "lyon", "nice"), 10.0), slots=1, gates=("model", "train"))
    phase.ask("chu", "model", BEGAN)
    phase.ask("lyon", "model", BEGAN)
    assert phase.grant(BEGAN) == ["chu", "lyon"]
    for site in ("chu", "lyon"):
        phase.done(site, "model", Passage(BEGAN, BEGAN + 1), BEGAN + 1)
    phase.ask("lyon", "train", BEGAN + 1)
    phase.ask("chu", "train", BEGAN + 2)
    phase.ask("nice", "model", BEGAN + 2)
    assert phase.grant(BEGAN + 2) == ["nice", "lyon"]
    phase.done("lyon", "train", Passage(BEGAN + 2, BEGAN + 5, work=1.0), BEGAN + 5)
    assert phase.grant(BEGAN + 5) == ["chu"]


def test_a_pull_that_waits_for_a_slot_is_late_by_that() -> None:
    phase = real_time(dict.fromkeys(("chu", "lyon"), 10.0), slots=1, gates=("pull",))
    play(phase, {("chu", "pull"): 2.0, ("lyon", "pull"): 3.0}, BEGAN)
    assert phase.overruns == {("chu", "pull"): 0.0, ("lyon", "pull"): 2.0}
    assert phase.left_at == {"chu": BEGAN + 2, "lyon": BEGAN + 5}


def test_where_models_stay_at_home_the_phase_still_lasts_as_long_as_computing_does() -> None:
    phase = real_time({"chu": 10.0})
    phase.ask("chu", "train", BEGAN)
    phase.grant(BEGAN)
    phase.done("chu", "train", Passage(BEGAN, BEGAN + 1, work=1.0), BEGAN + 1)
    phase.skip("chu", "update", BEGAN + 1)
    phase.grant(BEGAN + 1)
    assert not phase.over
    assert phase.wake_at(BEGAN + 1) == BEGAN + 10
    phase.grant(BEGAN + 10)
    assert phase.over
    assert phase.clock.at(phase.left_at["chu"]) == 10.0


def test_a_site_that_falls_out_while_it_computes_holds_nobody_up() -> None:
    phase = real_time({"chu": 10.0})
    phase.ask("chu", "train", BEGAN)
    phase.grant(BEGAN)
    phase.done("chu", "train", Passage(BEGAN, BEGAN + 1, work=1.0), BEGAN + 1)
    phase.out("chu", BEGAN + 2)
    assert phase.over


def test_the_real_clock_goes_on_while_the_hub_works() -> None:
    hands = Hands(30.0, {"chu": 1.0})
    assert hands.run(BEGAN).at(BEGAN + 5) == 35.0
    hands.meet((), hands.run(BEGAN).at(BEGAN + 5))
    assert hands.run(BEGAN + 7).at(BEGAN + 7) == 37.0


def test_the_way_of_an_order_is_on_the_clock() -> None:
    phase = Fetching(("chu", "lyon"), BEGAN, 60.0)
    phase.skip("chu", "model", BEGAN + 0.03)
    phase.ask("lyon", "model", BEGAN + 0.06)
    phase.grant(BEGAN + 0.07)
    phase.done("lyon", "model", Passage(BEGAN + 0.07, BEGAN + 0.57), BEGAN + 0.58)
    hands = Hands(0.0, {"chu": 1.0, "lyon": 1.0})
    hands.advance(phase)
    assert hands.at == pytest.approx({"chu": 0.03, "lyon": 0.56})


def test_the_real_clock_s_round_goes_on_at_its_deadline_too() -> None:
    clock = Running(0.0, BEGAN)
    phase = RealTime(GATES, ("chu", "nice"), BEGAN, 1e9, clock, 9, lambda _site, work: work, Enough(10.0, 1))
    for site in ("chu", "nice"):
        phase.ask(site, "train", BEGAN)
    phase.grant(BEGAN)
    phase.done("chu", "train", Passage(BEGAN, BEGAN + 1, 2.0), BEGAN + 1)
    phase.ask("chu", "update", BEGAN + 1)
    assert phase.grant(BEGAN + 2) == ["chu"]
    phase.done("chu", "update", Passage(BEGAN + 2, BEGAN + 3), BEGAN + 3)
    assert phase.wake_at(BEGAN + 3) == pytest.approx(BEGAN + 10)
    assert phase.grant(BEGAN + 10.0) == []
    assert (phase.over, phase.behind) == (True, ("nice",))
    phase.done("nice", "train", Passage(BEGAN, BEGAN + 11, 1.0), BEGAN + 11)
    phase.ask("nice", "update", BEGAN + 11)
    assert phase.grant(BEGAN + 11) == ["nice"]
    phase.done("nice", "update", Passage(BEGAN + 11, BEGAN + 12), BEGAN + 12)
    assert phase.arrived_at("nice") == pytest.approx(12.0)
