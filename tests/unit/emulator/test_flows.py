"""Transfers that share links: nobody gets more than there is, and nothing is left that somebody could use."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.flows import Flow, ends, shares_bps

CAPACITIES = {"hub": 100.0, "region": 30.0, **{f"site-{n}": rate for n, rate in enumerate((5.0, 10.0, 40.0, 80.0))}}
flows = st.lists(
    st.tuples(st.integers(0, 3), st.floats(0, 20), st.floats(1, 500), st.booleans()),
    min_size=1, max_size=4, unique_by=lambda drawn: drawn[0],
).map(
    lambda drawn: [
        Flow(f"f{n}", start, bits, CAPACITIES[f"site-{n}"], (f"site-{n}", *(["region"] if inside else []), "hub"))
        for n, start, bits, inside in drawn
    ]
)  # fmt: skip


@given(flows)
def test_no_link_carries_more_than_it_can_and_every_flow_is_held_up_by_a_full_one(drawn: list[Flow]) -> None:
    shares = shares_bps(drawn, CAPACITIES)
    load = {link: sum(shares[f.name] for f in drawn if link in f.links) for link in CAPACITIES}
    assert all(load[link] <= CAPACITIES[link] * (1 + 1e-9) for link in CAPACITIES)
    for flow in drawn:
        assert any(load[link] >= CAPACITIES[link] * (1 - 1e-9) for link in flow.links)


@given(flows)
def test_a_flow_takes_as_long_as_alone_or_longer_and_no_longer_than_one_after_another(drawn: list[Flow]) -> None:
    found = ends(drawn, CAPACITIES)
    last_start = max(flow.starts_s for flow in drawn)
    for flow in drawn:
        alone = flow.bits / min(CAPACITIES[link] for link in flow.links)
        assert found[flow.name] >= flow.starts_s + alone * (1 - 1e-6)
    # Whoever is held up is held up by a full link: 5 at least of the 100 are always carried.
    assert max(found.values()) <= last_start + sum(flow.bits for flow in drawn) / 5.0 + 1e-6


def test_two_flows_share_a_link_in_proportion_to_their_rates_and_the_rest_goes_to_the_one_that_is_left() -> None:
    both = [Flow("slow", 0.0, 100.0, 10.0, ("hub",)), Flow("fast", 0.0, 300.0, 40.0, ("hub",))]
    # 20 + 80 a second: 'fast' is through after 3.75 s; by then 'slow' has 75, and the rest goes at 100.
    assert ends(both, {"hub": 100.0}) == pytest.approx({"slow": 4.0, "fast": 3.75})


def test_flows_that_never_meet_are_not_in_each_others_way() -> None:
    apart = [Flow(f"f{n}", 10.0 * n, 200.0, 1.0, ("hub",)) for n in range(4)]
    found = ends(apart, {"hub": 100.0})
    assert found == pytest.approx({f"f{n}": 10.0 * n + 2.0 for n in range(4)})
    assert all(b - a == pytest.approx(10.0) for a, b in pairwise(found.values()))


def test_nothing_to_carry_ends_at_once() -> None:
    assert ends([], {}) == {}
