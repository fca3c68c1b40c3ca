import math

from face_networks import network
from hypothesis import given
from hypothesis import strategies as st

from testbed.report.plots.network import INNER, OUTER, layout, round_trip_s, speed_class


@given(st.integers(min_value=1, max_value=300))
def test_no_two_sites_stand_at_one_angle_and_all_are_within_the_circle(count: int) -> None:
    spots = layout(network(count))
    angles = sorted(spot.angle for spot in spots)
    assert len(set(angles)) == count
    assert angles[0] >= 0
    assert angles[-1] < 2 * math.pi
    assert all(INNER <= spot.radius <= OUTER for spot in spots)


def test_the_longer_the_round_trip_the_further_from_the_hub() -> None:
    topology = network(30)
    spots = sorted(layout(topology), key=lambda spot: round_trip_s(topology, spot.site))
    assert [spot.radius for spot in spots] == sorted(spot.radius for spot in spots)


def test_sites_of_one_group_stand_together() -> None:
    groups = [spot.site.group for spot in sorted(layout(network(30)), key=lambda spot: spot.angle)]
    assert groups == sorted(groups, key=["chu", "clinic", "mobile"].index)


def test_faster_links_are_of_a_higher_class() -> None:
    assert [speed_class(bps) for bps in (1e6, 10e6, 100e6, 500e6, 1e9)] == [0, 1, 2, 3, 4]
