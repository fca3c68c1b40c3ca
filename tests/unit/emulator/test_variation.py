"""What a link is at a moment, and when it changes next."""

import math
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emulator import lanes, score, shaping, variation
from emulator.live import Live
from emulator.topology.resolved import Change, Direction, Episode, FourState, GilbertElliott, Link, Trace

BASE = Direction(10_000_000, 0.02, 0.004, 0.01, reorder=0.01)
LINK = Link("x", BASE, BASE)
SHARES = st.none() | st.floats(0, 1)
CHANGES = st.builds(
    Change,
    st.none() | st.integers(1_000, 10**10),
    st.none() | st.floats(0, 5),
    st.none(),
    SHARES,
    st.none(),
    SHARES,
    SHARES,
    SHARES,
)
_EPISODES = st.tuples(
    st.floats(0, 500), st.none() | st.floats(0.1, 100), st.floats(1, 4), st.booleans(), CHANGES, CHANGES
)
EPISODES = _EPISODES.map(
    lambda drawn: Episode(
        drawn[0], drawn[1], drawn[1] * drawn[2] if drawn[1] and drawn[3] else None, drawn[4], drawn[5]
    )
)
TRACE = Trace(3.0, (0.0, 1.0, 2.5), (5_000_000, 0, None), (), (None, 0.5, 0.25))
TRACES = {"t": TRACE}
LINKS = st.builds(
    lambda schedule, traced: replace(LINK, schedule=tuple(schedule), down_trace="t" if traced else ""),
    st.lists(EPISODES, max_size=4),
    st.booleans(),
)


def _rates(link: Link, *moments: float) -> list[int]:
    return [variation.at(link, TRACES, moment).down.rate_bps for moment in moments]


def test_an_episode_begins_ends_and_comes_again() -> None:
    episode = Episode(30.0, 10.0, 60.0, Change(rate_bps=1), Change())
    link = replace(LINK, schedule=(episode,))
    usual = BASE.rate_bps
    assert _rates(link, 0, 29.9, 30, 39.9, 40, 89.9, 90, 99.9, 100) == [usual, usual, 1, 1, usual, usual, 1, 1, usual]
    assert variation.at(link, {}, 30).up == BASE
    assert [variation.next_after(link, {}, t) for t in (0, 30, 40, 90)] == [30, 40, 90, 100]


def test_where_episodes_overlap_the_later_one_in_the_list_goes_before() -> None:
    first = Episode(0.0, 100.0, None, Change(rate_bps=1, loss=0.5), Change())
    second = Episode(10.0, 10.0, None, Change(rate_bps=2), Change())
    there = variation.at(replace(LINK, schedule=(first, second)), {}, 15).down
    assert (there.rate_bps, there.loss) == (2, 0.5)
    there = variation.at(replace(LINK, schedule=(second, first)), {}, 15).down
    assert (there.rate_bps, there.loss) == (1, 0.5)


def test_a_trace_is_played_over_and_over() -> None:
    link = replace(LINK, down_trace="t")
    assert _rates(link, 0, 2.5, 3, 5.5) == [5_000_000, BASE.rate_bps, 5_000_000, BASE.rate_bps]
    assert [variation.next_after(link, TRACES, t) for t in (0, 1, 2.5, 4)] == [1, 2.5, 3, 5.5]


def test_a_rate_of_0_is_an_outage_that_loses_what_comes() -> None:
    there = variation.at(replace(LINK, down_trace="t"), TRACES, 1.5).down
    assert (there.loss, there.rate_bps) == (1.0, BASE.rate_bps)


def test_what_was_changed_by_hand_holds_against_schedule_and_trace() -> None:
    link = replace(LINK, down_trace="t", schedule=(Episode(0.0, None, None, Change(loss=0.3), Change()),))
    there = variation.at(link, TRACES, 0.5, (Change(rate_bps=7), Change())).down
    assert (there.rate_bps, there.loss) == (7, 0.3)


def test_a_queue_keeps_its_bytes_when_the_rate_falls() -> None:
    slower = variation.changed(BASE, Change(rate_bps=1_000_000))
    assert shaping.queue_bytes(slower) == shaping.queue_bytes(BASE)
    faster = variation.changed(BASE, Change(rate_bps=100_000_000))
    assert faster.queue_s == BASE.queue_s


def test_a_loss_that_is_told_replaces_a_model_of_bursts() -> None:
    bursty = replace(BASE, bursts=GilbertElliott(0.1, 0.2))
    assert variation.changed(bursty, Change(loss=0.1)).bursts is None
    assert variation.changed(bursty, Change(rate_bps=5)).bursts == bursty.bursts


def test_without_a_delay_nothing_varies_and_nothing_overtakes() -> None:
    there = variation.changed(BASE, Change(delay_s=0.0))
    assert (there.jitter_s, there.reorder) == (0.0, 0.0)


@given(LINKS, st.floats(0, 2000))
def test_between_two_moments_of_change_a_link_stays_what_it_is(link: Link, clock_s: float) -> None:
    until = variation.next_after(link, TRACES, clock_s)
    assert until > clock_s
    assume(until - clock_s > 1e-4)
    end = min(until, clock_s + 1000) - 1e-5
    now = variation.at(link, TRACES, clock_s)
    for share in (0.25, 0.5, 1):
        assert variation.at(link, TRACES, clock_s + share * (end - clock_s)) == now


@given(LINKS)
def test_who_looks_only_at_the_moments_of_change_misses_none(link: Link) -> None:
    clock_s, seen = 0.0, [variation.at(link, TRACES, 0.0)]
    for _ in range(40):
        clock_s = variation.next_after(link, TRACES, clock_s)
        if math.isinf(clock_s):
            break
        seen.append(variation.at(link, TRACES, clock_s))
        assert variation.at(link, TRACES, clock_s + 5e-6) == seen[-1]


@given(CHANGES, CHANGES, CHANGES)
def test_changes_over_one_another_add_up_in_any_grouping(first: Change, second: Change, third: Change) -> None:
    left = variation.over(variation.over(first, second), third)
    right = variation.over(first, variation.over(second, third))
    assert left == right
    assert variation.over(first, Change()) == first == variation.over(Change(), first)


def test_every_value_of_a_direction_that_can_change_is_one_of_its_fields() -> None:
    assert {field.name for field in fields(Change)} <= {field.name for field in fields(Direction)}


@given(st.dictionaries(st.text("ab", min_size=1, max_size=3), st.tuples(CHANGES, CHANGES), max_size=3))
def test_what_was_changed_by_hand_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, links: dict[str, tuple[Change, Change]]
) -> None:
    folder = tmp_path_factory.mktemp("live")
    kept = Live(links, "a", {"link-degrade-1": links}).write(folder)
    assert Live.read(folder) == kept


def test_a_score_is_read_as_it_was_written(tmp_path: Path) -> None:
    bursts = replace(BASE, bursts=FourState(0.1, 0.2, 0.3, 0.4, 0.5))
    shared = replace(BASE, bursts=GilbertElliott(0.1, 0.2))
    episode = Episode(1.0, None, None, Change(loss=0.1, bursts=GilbertElliott(0.3, 0.4)), Change())
    link = Link("x", bursts, BASE, (episode,), "t")
    both = {way: lanes.Lane(number, 7, "1:1", 5, (shared, BASE)) for way, number in shaping.WAYS.items()}
    wanted = score.Score("uml", {"lyon": score.Part(link, both)}, TRACES)  # type: ignore[arg-type]  # WAYS has plain names
    (tmp_path / score.FILE).write_text(score.dump(wanted))
    assert score.read(tmp_path) == wanted
