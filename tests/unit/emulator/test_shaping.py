"""The router's queues: what is written for `tc`."""

import math
import re
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import distributions, duplicates, shaping
from emulator.topology.resolved import (
    Cohort,
    Compute,
    Direction,
    GilbertElliott,
    Hub,
    Link,
    Pacs,
    Region,
    Site,
    Topology,
    Training,
)
from emulator.wan.uml import less_transit

_TRAINING = Training("dementia", "fedavg", 1, 1, 8, 0.01, 0.25, True)
_COHORT = Cohort("phantom", 1, {"control": 1}, "3T", ("mr",), "multi-frame")
_RATES = st.integers(1_000, 10_000_000_000)


def _link(down_bps: int, up_bps: int, delay_s: float = 0.01, **more: float) -> Link:
    return Link("x", Direction(down_bps, delay_s, **more), Direction(up_bps, delay_s, **more))  # type: ignore[arg-type]  # numbers only


def _topology(hub: Link, *sites: tuple[Link, str | None], regions: dict[str, Link] | None = None) -> Topology:
    made = tuple(
        Site(i, f"s{i}", f"s{i}", "namespace", link, Pacs("orthanc", "orthanc"), _COHORT, Compute(0.01), region)
        for i, (link, region) in enumerate(sites, 1)
    )
    shared = tuple(Region(name, link) for name, link in (regions or {}).items())
    return Topology("x", 1, Hub(hub), made, _TRAINING, shared)


def _classes(lines: list[str]) -> dict[str, tuple[str, int, int]]:
    """Parent, rate and ceiling by class."""
    found = {}
    for line in lines:
        if line.startswith("class"):
            told = re.search(r"parent (\S+) classid (\S+) htb rate (\d+)bit ceil (\d+)bit", line)
            assert told
            found[told[2]] = (told[1], int(told[3]), int(told[4]))
    return found


def test_two_links_in_a_row_are_one() -> None:
    first = Direction(10_000_000, 0.01, 0.003, 0.1, queue_s=0.2, mtu=1400)
    second = Direction(5_000_000, 0.02, 0.004, 0.1, queue_s=0.3)
    one = shaping.path(first, second)
    assert one.rate_bps == 5_000_000
    assert (one.delay_s, one.jitter_s, one.loss) == pytest.approx((0.03, 0.005, 0.19))
    assert (one.queue_s, one.mtu) == (0.3, 1400)


@pytest.mark.parametrize("turned", [False, True])
def test_what_only_one_of_two_links_does_the_path_does(turned: bool) -> None:
    bursts = GilbertElliott(0.01, 0.2, 1.0, 0.0)
    odd = Direction(10, 0.01, 0.001, bursts.loss, "pareto", bursts, duplicate=0.1, corrupt=0.2, reorder=0.3)
    plain = Direction(20, 0.02, 0.0, 0.5)
    one = shaping.path(plain, odd) if turned else shaping.path(odd, plain)
    assert (one.distribution, one.duplicate, one.corrupt, one.reorder) == ("pareto", 0.1, 0.2, 0.3)
    assert isinstance(one.bursts, GilbertElliott)
    assert one.bursts.loss == pytest.approx(one.loss) == pytest.approx(1 - 0.5 * (1 - bursts.loss))


@given(st.lists(st.tuples(_RATES, _RATES), min_size=1, max_size=30), _RATES, _RATES)
def test_guaranteed_rates_never_exceed_what_is_shared(
    rates: list[tuple[int, int]], hub_bps: int, region_bps: int
) -> None:
    sites = [(_link(*pair), "r" if i % 3 == 0 else None) for i, pair in enumerate(rates)]
    regions = {"r": _link(region_bps, region_bps)}
    classes = _classes(shaping.queues(_topology(_link(hub_bps, hub_bps), *sites, regions=regions)))
    for parent, (_, rate, ceiling) in classes.items():
        below = [inner for inner in classes.values() if inner[0] == parent]
        assert rate <= ceiling
        assert sum(inner[1] for inner in below) <= rate + 8 * len(
            below
        )  # no class of the kernel has less than a byte a second


def test_a_region_lies_between_its_sites_and_the_hub() -> None:
    topology = _topology(
        _link(100, 100, 0.001), (_link(50, 40), "alps"), (_link(50, 40), None), regions={"alps": _link(30, 20, 0.005)}
    )
    path = shaping.whole_path(topology, topology.sites[0])
    assert (path.up.rate_bps, path.down.rate_bps) == (20, 30)
    assert path.up.delay_s == pytest.approx(0.016)
    classes = _classes(shaping.queues(topology))
    assert classes["1:1001"][0] == "1:800"
    assert classes["1:800"][0] == "1:1"
    assert classes["1:1002"][0] == "1:1"


@given(rate=_RATES, delay_s=st.floats(0, 5), queue_s=st.floats(0.001, 10), size=st.integers(shaping._SMALL_BYTES, 1500))
def test_the_delay_line_holds_all_that_is_on_its_way_and_in_the_queue(
    rate: int, delay_s: float, queue_s: float, size: int
) -> None:
    direction = Direction(rate, delay_s, queue_s=queue_s)
    on_its_way = rate * delay_s / 8 / size
    waiting = shaping.queue_bytes(direction) / size
    assert shaping.delay_line_packets(direction) >= math.floor(on_its_way + waiting)


def test_a_change_tells_netem_also_what_is_nothing() -> None:
    """In a change, netem keeps what is not told."""
    (line,) = [
        line for line in shaping.site_queues(shaping.INTO_HUB, 1, Direction(8, 0.1), "1:1", 8) if " netem " in line
    ]
    assert "loss 0.000000% corrupt 0.000000% reorder 0.000000%" in line


def test_duplicates_take_a_detour_so_that_no_tree_mixes_them() -> None:
    topology = _topology(_link(100, 100), (_link(50, 40, duplicate=0.25), None), (_link(50, 40), None))
    assert not any("duplicate" in line for line in shaping.queues(topology))
    wanted = duplicates.detours(topology)
    assert sorted(wanted) == ["dup1-1", "dup2-1"]
    assert duplicates.devices(wanted, ["dup1-1", "dup1-9"]) == ["link delete dup1-9", *_made("dup2-1")]
    assert sum("duplicate 25.000000%" in line for line in duplicates.queues(wanted, redirected=False)) == 2
    assert duplicates.queues({}, redirected=True) == ["qdisc delete dev @DEV@ clsact"]


def _made(name: str) -> list[str]:
    return [f"link add {name} type ifb", f"link set {name} up"]


def test_the_uniform_table_has_mean_0_and_deviation_1() -> None:
    values = [value / 8192 for value in shaping.UNIFORM]
    assert sum(values) / len(values) == pytest.approx(0, abs=1e-3)
    assert math.sqrt(sum(value**2 for value in values) / len(values)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("distribution", ["normal", "pareto", "paretonormal"])
def test_the_jitter_is_the_deviation_also_where_the_table_of_netem_has_another(
    distribution: str, tmp_path: Path
) -> None:
    direction = Direction(8_000_000, 0.1, jitter_s=0.01, distribution=distribution)
    (line,) = [line for line in shaping.site_queues(1, 1, direction, "1:1", 8) if " netem " in line]
    told = re.search(rf"delay 100000us (\d+)us distribution {distribution} ", line)
    table = (distributions.lay_out(tmp_path / "tables", {}) / f"{distribution}.dist").read_text()
    values = [int(word) / 8192 for row in table.splitlines() if not row.startswith("#") for word in row.split()]
    assert told
    assert int(told[1]) * statistics.pstdev(values) == pytest.approx(10_000, rel=0.001)


@given(st.floats(0, 1), st.floats(0, 0.01))
def test_the_user_mode_router_takes_its_own_transit_from_the_delay_and_from_nothing_else(
    delay_s: float, jitter_s: float
) -> None:
    hub, link = _link(10**9, 10**9, 0.0), _link(10**7, 10**6, delay_s, jitter_s=jitter_s, loss=0.01)
    for line in shaping.queues(_topology(hub, (link, None))):
        found = re.search(r" netem .* delay (\d+)us", line)
        less = less_transit(line)
        if found is None:
            assert less == line
        else:
            wanted_us = max(0, int(found[1]) - 90)
            assert less == line.replace(f" delay {found[1]}us", f" delay {wanted_us}us")
