"""The emulated clock's rules, with time as a number."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.clock.emulated import Hands
from trainer.clock.phases import NEVER, TICK_S, Enough, Moments, Passage, Slots, Together

SITES = ("chu", "lyon", "nice", "oslo")
Event = tuple[float, str, str]
FLIGHTS = st.lists(st.tuples(st.floats(0, 50), st.floats(0.001, 5)), min_size=1, max_size=12)


def play_moments(
    flights: list[tuple[float, float]], now: float = 100.0, enough: Enough = NEVER
) -> tuple[Moments, list[Event]]:
    """Plays a Moments phase until the round may go on; every flight takes its real seconds. Events are (wall, site,
    what).
    """
    moments = {f"s{i:02}": moment for i, (moment, _) in enumerate(flights)}
    seconds = {f"s{i:02}": duration for i, (_, duration) in enumerate(flights)}
    phase = Moments("update", moments, now, deadline_s=1e9, enough=enough)
    for site in moments:
        phase.ask(site, "update", now)
    landing: dict[str, float] = {}
    began: dict[str, float] = {}
    events: list[tuple[float, str, str]] = []
    while not phase.over:
        for site in phase.grant(now):
            began[site], landing[site] = now, now + seconds[site]
            events.append((now, site, "go"))
        if phase.over:
            break
        wake = phase.wake_at(now)
        now = min([*landing.values(), *([wake] if wake is not None else [])])
        for site in [site for site, at in landing.items() if at <= now]:
            del landing[site]
            events.append((now, site, "done"))
            phase.done(site, "update", Passage(began[site], now), now)
    return phase, events


@given(FLIGHTS)
def test_no_transfer_begins_before_its_moment_and_each_lasts_as_long_as_it_really_did(
    flights: list[tuple[float, float]],
) -> None:
    phase, _ = play_moments(flights)
    for index, (moment, duration) in enumerate(flights):
        site = f"s{index:02}"
        assert phase.began[site] >= moment - TICK_S
        assert phase.ended[site] - phase.began[site] == pytest.approx(duration, abs=1e-6)


@given(FLIGHTS, st.floats(0.5, 60), st.integers(0, 12))
def test_a_round_goes_on_at_its_deadline_but_never_below_its_quorum(
    flights: list[tuple[float, float]], at: float, quorum: int
) -> None:
    phase, _ = play_moments(flights, enough=Enough(at, quorum))
    arrivals = {f"s{i:02}": moment + seconds for i, (moment, seconds) in enumerate(flights)}
    if not phase.behind:
        return
    assert len(phase.through) >= quorum
    assert phase.last_end >= at - TICK_S
    in_time = {site for site, arrival in arrivals.items() if arrival < min(at, phase.last_end) - 1e-3}
    assert in_time <= {*phase.through}
    surely_late = {site for site, arrival in arrivals.items() if arrival > phase.last_end + 1e-3}
    assert surely_late <= {*phase.behind}


def test_those_that_are_behind_go_on_by_the_same_clock() -> None:
    phase = Moments("update", {"chu": 1.0, "lyon": 2.0, "nice": 90.0}, 0.0, 1e9, enough=Enough(10.0, 1))
    for site in ("chu", "lyon", "nice"):
        phase.ask(site, "update", 0.0)
    assert phase.grant(0.0) == ["chu"]
    phase.done("chu", "update", Passage(0.0, 0.5), 0.5)
    assert phase.grant(0.5) == ["lyon"]  # at 2 s; it is slow
    assert phase.wake_at(0.5) == 8.5
    assert phase.grant(8.5) == []
    assert (phase.over, phase.through, phase.behind, phase.last_end) == (True, ("chu",), ("lyon", "nice"), 10.0)
    phase.done("lyon", "update", Passage(0.5, 20.5), 20.5)
    assert phase.arrived_at("lyon") == pytest.approx(22.0)
    assert phase.grant(21.0) == ["nice"]
    phase.done("nice", "update", Passage(21.0, 22.0), 22.0)
    assert phase.arrived_at("nice") == pytest.approx(91.0)
    assert phase.behind == ()


@given(FLIGHTS)
def test_the_wall_only_sees_the_time_when_something_is_in_flight(flights: list[tuple[float, float]]) -> None:
    _, events = play_moments(flights)
    assert events[-1][0] - 100.0 <= sum(duration for _, duration in flights) + 1e-6
    in_flight, last, idle = 0, 100.0, 0.0
    for wall, _, what in events:
        idle += (wall - last) if in_flight == 0 else 0.0
        in_flight += 1 if what == "go" else -1
        last = wall
    assert idle == pytest.approx(0.0, abs=1e-6)


@given(FLIGHTS)
def test_a_transfer_is_late_only_where_the_clock_could_not_wait(flights: list[tuple[float, float]]) -> None:
    """Simulated time makes every wake-up exact, so every transfer begins at its moment, to the rounding."""
    phase, _ = play_moments(flights)
    for index, (moment, _) in enumerate(flights):
        assert phase.began[f"s{index:02}"] == pytest.approx(moment, abs=2 * TICK_S)


@given(FLIGHTS, st.randoms(use_true_random=False))
def test_the_order_of_asking_changes_nothing(flights: list[tuple[float, float]], luck: random.Random) -> None:
    expected, _ = play_moments(flights)
    moments = {f"s{i:02}": moment for i, (moment, _) in enumerate(flights)}
    shuffled = dict(luck.sample(sorted(moments.items()), len(moments)))
    phase = Moments("update", shuffled, 0.0, deadline_s=1e9)
    for site in shuffled:
        assert phase.grant(0.0) == []
        phase.ask(site, "update", 0.0)
    first = phase.grant(0.0)
    earliest = min(moments.values())
    assert set(first) == {site for site, moment in moments.items() if moment <= earliest + TICK_S}
    assert all(expected.began[site] == phase.began[site] for site in first)


def test_transfers_begin_together_only_when_all_stand_ready() -> None:
    phase = Together(("model",), SITES, 0.0, 60.0)
    for site in SITES[:-1]:
        phase.ask(site, "model", 1.0)
        assert phase.grant(1.0) == []
    phase.skip(SITES[-1], "model", 1.0)
    assert phase.grant(1.0) == list(SITES[:-1])


@given(
    st.integers(1, 5),
    st.lists(st.sampled_from(["ask", "done", "out"]), min_size=1, max_size=80),
    st.randoms(use_true_random=False),
)
def test_never_more_than_the_slots_compute_and_nobody_waits_beside_a_free_one(
    slots: int, deeds: list[str], luck: random.Random
) -> None:
    sites = [f"s{i}" for i in range(8)]
    phase = Slots(("pull", "train"), sites, 0.0, 1e9, slots)
    for now, deed in enumerate(deeds):
        if not phase.sites:
            break
        site = luck.choice(phase.sites)
        if deed == "ask":
            phase.ask(site, luck.choice(["pull", "train"]), now)  # type: ignore[arg-type]
        elif deed == "done" and site in phase.going:
            phase.done(site, phase.going[site], Passage(0, 1), now)
        elif deed == "out":
            phase.out(site, now)
        phase.grant(now)
        assert len(phase.going) <= slots
        assert not phase.asking or len(phase.going) == slots


def test_a_site_that_falls_out_frees_its_slot() -> None:
    phase = Slots(("train",), SITES, 0.0, 60.0, slots=1)
    for site in SITES:
        phase.ask(site, "train", 0.0)
    assert phase.grant(0.0) == ["chu"]
    phase.out("chu", 1.0)
    assert phase.grant(1.0) == ["lyon"]


def test_only_who_owes_an_answer_is_overdue() -> None:
    phase = Slots(("train",), SITES, 0.0, deadline_s=10.0, slots=1)
    for site in SITES[:3]:
        phase.ask(site, "train", 1.0)
    phase.grant(5.0)
    assert phase.overdue(10.0) == ["oslo"]  # never came; lyon and nice wait for us, chu has time until 15
    assert phase.overdue(15.0) == ["chu", "oslo"]
    assert phase.wake_at(5.0) == 10.0


def test_a_hanging_upload_costs_emulated_time_until_it_is_given_up() -> None:
    phase = Moments("update", {"chu": 1.0, "lyon": 2.0}, 0.0, deadline_s=30.0)
    for site in ("chu", "lyon"):
        phase.ask(site, "update", 0.0)
    assert phase.grant(0.0) == ["chu"]
    assert phase.wake_at(0.0) == 1.0
    assert phase.grant(1.0) == ["lyon"]
    phase.done("lyon", "update", Passage(1.0, 1.5), 1.5)
    assert phase.overdue(30.0) == ["chu"]
    phase.out("chu", 30.0)
    assert phase.over
    assert phase.last_end == pytest.approx(31.0)


def test_computing_is_modelled_and_transfers_are_real() -> None:
    hands = Hands(10.0, {"chu": 0.1, "lyon": 0.5})
    phase = Slots(("pull", "train"), ("chu", "lyon"), 0.0, 60.0, slots=2)
    for gate, passage in (("pull", Passage(0.0, 2.0)), ("train", Passage(2.0, 2.5, work=20))):
        for site in ("chu", "lyon"):
            phase.ask(site, gate, 0.0)  # type: ignore[arg-type]
            phase.grant(0.0)
            phase.done(site, gate, passage, 0.0)  # type: ignore[arg-type]
    stretches = {(s.site, s.gate): (s.seconds, s.modelled) for s in hands.advance(phase)}
    assert stretches["chu", "pull"] == (2.0, False)
    assert stretches["lyon", "train"] == (10.0, True)
    assert hands.at == {"chu": 14.0, "lyon": 22.0}
    assert hands.meet(("chu",)) == 14.0
