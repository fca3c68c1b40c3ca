"""Which faults happen in which round: drawn from the seed, once each, and the same again from a record."""

from emulator.faults.replaying import replayed
from emulator.topology.resolved import PlannedFault, Trigger
from trainer.hub.firing import fired, of_round, timed

SITES = ("a", "b", "c")
DOWN = PlannedFault("link-down", SITES, Trigger(round=2), 30.0)


def test_a_fault_at_a_rounds_beginning_happens_at_all_its_sites_at_once_and_in_that_round_only() -> None:
    (firing,) = of_round([DOWN], 2, seed=1)
    assert firing.on == SITES
    assert not of_round([DOWN], 3, seed=1)


def test_a_fault_at_a_moment_of_a_round_comes_to_each_site_by_itself() -> None:
    fault = PlannedFault("link-down", SITES, Trigger(every=1, moment="update"), 30.0)
    assert [firing.on for firing in of_round([fault], 4, seed=1)] == [("a",), ("b",), ("c",)]
    split = PlannedFault("partition", SITES, Trigger(every=1, moment="update"), 30.0)
    assert [firing.on for firing in of_round([split], 4, seed=1)] == [SITES]


def test_chance_is_drawn_from_the_seed_for_each_round_and_site_and_comes_out_as_often_as_it_says() -> None:
    fault = PlannedFault("link-down", tuple(f"s{i}" for i in range(50)), Trigger(every=1), 30.0, chance=0.2)

    def drawn(seed: int) -> list[tuple[str, ...]]:
        return [firing.on for number in range(1, 41) for firing in of_round([fault], number, seed)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert 300 < sum(map(len, drawn(7))) < 500  # of 2,000


def test_faults_at_a_time_come_in_the_order_of_their_times() -> None:
    late, early = (PlannedFault("link-down", ("a",), Trigger(at_s=at_s), 1.0) for at_s in (9.0, 2.0))
    assert [firing.entry for firing in timed([late, early, DOWN], seed=1)] == [1, 0]


def _event(**fields: object) -> dict[str, object]:
    usual = {"fault": "link-down", "on": ["a"], "settings": {"way": "up"}, "for_s": 30.0, "emulated_s": 12.5}
    return {"event": "fault-started", **usual, **fields}


OF_PLAN = {"entry": 0, "occurrence": 3, "round": 3, "moment": "update", "bytes": None, "at_s": None}


def test_what_a_log_says_was_fired_is_known_by_entry_occurrence_and_place() -> None:
    assert fired([_event(id="x", **OF_PLAN), _event(id="by-hand")]) == {(0, 3, ("a",)): "x"}


def test_a_record_becomes_a_plan_of_the_same_faults_at_the_same_moments() -> None:
    events = [
        _event(id="x", **OF_PLAN),
        _event(id="x"),  # the world's own word of the same
        _event(id="by-hand"),
        _event(id="no", **OF_PLAN),
        {"event": "fault-refused", "id": "no"},
        {"event": "fault-ended", "id": "x"},
    ]
    up = {"way": "up"}
    assert replayed(events) == (
        PlannedFault("link-down", ("a",), Trigger(round=3, moment="update"), 30.0, 1.0, up),
        PlannedFault("link-down", ("a",), Trigger(at_s=12.5), 30.0, 1.0, up),
    )
