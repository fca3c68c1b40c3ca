"""What a link's keys come to: directions, loss models, measured delays."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from topology_texts import Load, load_text

from emulator.topology import Direction, Known, Link, pings
from emulator.topology.resolved import FourState, GilbertElliott

SHARES = st.floats(0.001, 0.999)


def _link(loaded: Load, keys: str) -> Link:
    return loaded(f"name: x\nlinks: {{f: {{{keys}}}}}\nsites: [{{name: a, link: f}}]").sites[0].link


def test_a_direction_goes_before_the_link_and_the_link_before_what_is_usual(loaded: Load) -> None:
    link = _link(loaded, "rate: 90mbit, rtt: 20ms, jitter: 1ms, loss: 1%, up: {loss: 2%, queue: {discipline: codel}}")
    assert link.down == Direction(90_000_000, 0.01, 0.001, 0.01)
    assert link.up == Direction(90_000_000, 0.01, 0.001, 0.02, discipline="codel")


def test_a_slow_line_has_a_queue_of_fifty_packets_and_a_fast_one_of_a_tenth_of_a_second(loaded: Load) -> None:
    link = _link(loaded, "down: 100mbit, up: 1mbit, rtt: 1ms")
    assert (link.down.queue_s, link.up.queue_s) == (0.1, pytest.approx(0.6))
    assert _link(loaded, "rate: 1mbit, rtt: 1ms, queue: {length: 50ms}").up.queue_s == 0.05


def test_each_direction_may_have_its_own_delay(loaded: Load) -> None:
    link = _link(loaded, "down: {rate: 9mbit, delay: 5ms}, up: {rate: 1mbit, delay: 50ms}")
    assert (link.down.delay_s, link.up.delay_s) == (0.005, 0.05)


def test_a_mean_and_a_burst_are_a_gilbert_model_of_that_loss(loaded: Load) -> None:
    down = _link(loaded, "rate: 9mbit, rtt: 1ms, loss: {mean: 2%, burst: 5}").down
    assert isinstance(down.bursts, GilbertElliott)
    assert down.bursts.to_good == pytest.approx(1 / 5)
    assert down.loss == pytest.approx(0.02)


@given(st.builds(GilbertElliott, SHARES, SHARES, SHARES, SHARES), st.integers())
def test_the_loss_of_the_two_state_model_is_what_its_steps_lose(model: GilbertElliott, seed: int) -> None:
    """The stationary state is the one that a step leaves as it is."""
    bad = model.to_bad / (model.to_bad + model.to_good)
    after = bad * (1 - model.to_good) + (1 - bad) * model.to_bad
    assert after == pytest.approx(bad)
    assert model.loss == pytest.approx(bad * model.lost_in_bad + (1 - bad) * model.lost_in_good)


def test_the_loss_of_the_four_state_model_is_what_a_walk_through_it_loses() -> None:
    model = FourState(p13=0.02, p31=0.2, p32=0.3, p23=0.4, p14=0.01)
    draw, state, lost, steps = np.random.default_rng(7), 1, 0, 400_000
    for _ in range(steps):
        chance = draw.random()
        if state == 1:
            state = 4 if chance < model.p14 else 3 if chance < model.p14 + model.p13 else 1
        elif state == 3:
            state = 2 if chance < model.p32 else 1 if chance < model.p32 + model.p31 else 3
        elif state == 2:
            state = 3 if chance < model.p23 else 2
        else:
            state = 1
        lost += state in (3, 4)
    assert lost / steps == pytest.approx(model.loss, rel=0.03)


TIMES_MS = st.lists(st.floats(0, 9999), min_size=pings.FEWEST, max_size=200)


@given(TIMES_MS)
def test_a_table_gives_back_the_times_that_it_was_made_of(times_ms: list[float]) -> None:
    found = pings.delays([time / 1000 for time in times_ms])
    drawn = [found.mean_s + found.scale_s * step / pings.UNIT for step in found.table] or [found.mean_s]
    assert all(-32_768 <= step <= 32_767 for step in found.table)
    ordered = sorted(times_ms)
    for share in (0.1, 0.5, 0.9):
        place = share * (len(ordered) - 1)
        low, high = ordered[max(0, int(place) - 1)], ordered[min(len(ordered) - 1, int(place) + 2)]
        rounding_ms = 1000 * found.scale_s / pings.UNIT
        assert low - rounding_ms <= 1000 * drawn[int(share * (len(drawn) - 1))] <= high + rounding_ms


def test_measured_round_trips_replace_the_delay_of_a_link(known: Known, tmp_path: Path) -> None:
    times_ms = [30.0, *(40.0 + i % 7 for i in range(99))]
    (tmp_path / "rtt.txt").write_text("\n".join(f"64 bytes from x: icmp_seq=1 time={time} ms" for time in times_ms))
    text = "name: x\nlinks: {f: {rate: 9mbit, pings: rtt.txt}}\nsites: [{name: a, link: f}]"
    topology = load_text(text, known, tmp_path)
    link = topology.sites[0].link
    assert link.up.delay_s == pytest.approx(0.015)
    assert link.down.delay_s + link.up.delay_s == pytest.approx(sum(times_ms) / 100_000)
    assert link.up.jitter_s == 0
    assert len(topology.tables[link.down.distribution]) == pings.TABLE_SIZE


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1\n2\n3\n", "found 3 round-trip times"),
        ("1\n" * 30 + "fast\n", "found 'fast' in line 31"),
        ("1\n" * 30 + "-1\n", "found a time that is negative or above 10 s"),
    ],
)
def test_a_file_that_is_no_pings_is_told(known: Known, tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "rtt.txt").write_text(text)
    document = "name: x\nlinks: {f: {rate: 9mbit, pings: rtt.txt}}\nsites: [{name: a, link: f}]"
    with pytest.raises(Exception, match=r"x\.yaml:2:\d+: links\.f\.pings") as caught:
        load_text(document, known, tmp_path)
    assert problem in str(caught.value)
