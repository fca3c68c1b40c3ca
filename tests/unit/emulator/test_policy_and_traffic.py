"""The rules of who may talk to whom, and the scripts of background traffic, as pure text."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import policy, traffic
from emulator.places import SINK_PORT
from emulator.topology.resolved import (
    Cohort,
    Compute,
    Direction,
    Flow,
    Hub,
    Link,
    Opening,
    Pacs,
    Site,
    Topology,
    Training,
)
from emulator.worlds import changes

_WAY = Direction(100_000_000, 0.005)
_LINK = Link("l", _WAY, _WAY)


def _topology(count: int, **more: object) -> Topology:
    cohort = Cohort("phantom", 1, {"control": 1}, "3T", ("mr",), "multi-frame")
    sites = tuple(
        Site(i, f"s{i}", "s", "namespace", _LINK, Pacs("o", "orthanc"), cohort, Compute(0.01))
        for i in range(1, count + 1)
    )
    training = Training("dementia", "fedavg", 1, 1, 8, 0.01, 0.25, True)
    return replace(Topology("t", 7, Hub(_LINK), sites, training), **more)  # type: ignore[arg-type] - its own fields


def test_the_rules_of_the_largest_world_fit_in_messages() -> None:
    opened = tuple(Opening("hub", f"s{i}/pacs", "tcp", 8042) for i in range(1, 1001))
    steps = list(policy.rules(_topology(1000, policy=opened)))
    assert max(len(step.text) for step in steps) < 100_000
    text = "".join(step.text for step in steps)
    assert all(text.count(f" {address}") >= 1 for address in ("10.3.232.1", "10.3.232.2", "10.3.232.3"))


def test_traffic_opens_its_own_way_and_no_way_back() -> None:
    text = next(iter(policy.rules(_topology(2, traffic=(Flow("s1", "hub", "constant", 1000),))))).text
    assert f"oneway {{ 10.0.1.1 . 10.0.0.2 . udp . {SINK_PORT} }}" in text
    assert f"10.0.0.2 . 10.0.1.1 . udp . {SINK_PORT}" not in text
    assert f"10.0.2.1 . 10.0.0.2 . udp . {SINK_PORT}" not in text


@given(st.floats(0.01, 60), st.floats(0.01, 60))
def test_bursts_and_gaps_last_as_long_as_was_asked_for(on_s: float, off_s: float) -> None:
    flows = (Flow("hub", "s1", "web", 8_000_000, on_s, off_s),)
    script = traffic.generators(_topology(1, traffic=flows))[0].script
    found = re.search(r"RANDOM (\S+) PERIODIC \[(\S+) 1472\] EXP (\S+)\]", script)
    assert found
    interval, packets, length = map(float, found.groups())
    cycle = interval + length - interval * length / (interval + length)  # the mean of the longer of the two
    assert cycle == pytest.approx(on_s + off_s, rel=1e-3)
    assert packets * 1500 * 8 == pytest.approx(8_000_000, rel=1e-6)


def test_packets_are_as_large_as_the_path_takes() -> None:
    narrow = replace(_topology(1), hub=Hub(Link("n", replace(_WAY, mtu=1400), replace(_WAY, mtu=1400))))
    flows = (Flow("s1", "hub", "constant", 11_200_000),)
    assert "PERIODIC [1000.000000 1372]" in traffic.generators(replace(narrow, traffic=flows))[0].script


def test_a_changed_flow_begins_one_generator_anew() -> None:
    flows = (
        Flow("s1", "hub", "constant", 1000),
        Flow("hub", "s1", "poisson", 1000),
        Flow("hub", "s2", "poisson", 1000),
    )
    before = _topology(2, traffic=flows)
    after = replace(before, traffic=(*flows[:2], replace(flows[2], rate_bps=2000)))
    plan = changes(before, (), after, (), traffic.generators(before))
    assert (plan.traffic, plan.quiet, plan.policy) == (("hub/traffic-s2",), ("hub/traffic-s2",), False)


def test_the_generators_of_a_site_that_is_built_anew_begin_anew() -> None:
    flows = (Flow("s1", "hub", "constant", 1000), Flow("hub", "s2", "poisson", 1000))
    before = _topology(2, traffic=flows)
    vm = replace(before, sites=(before.sites[0], replace(before.sites[1], machine="vm")))
    plan = changes(before, (), vm, (), traffic.generators(before))
    assert (plan.traffic, plan.quiet) == (("hub/traffic-s2",), ("hub/traffic-s2",))


def test_a_changed_policy_is_a_change_of_rules_alone() -> None:
    before = _topology(1)
    plan = changes(before, (), replace(before, policy=(Opening("hub", "s1", "tcp", 22),)), ())
    assert plan.policy
    assert not any((plan.add, plan.remove, plan.relink, plan.restart, plan.tree, plan.shared_links, plan.traffic))
