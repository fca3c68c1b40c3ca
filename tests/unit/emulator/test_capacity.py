"""What a router can't carry of a topology."""

from dataclasses import replace
from pathlib import Path

import pytest

from emulator.topology.resolved import Cohort, Compute, Direction, Hub, Link, Pacs, Site, Topology, Training
from emulator.worlds import capacity


def _topology(*rates_bps: int, hub_bps: int) -> Topology:
    def link(bps: int) -> Link:
        return Link("x", Direction(bps, 0.01), Direction(bps // 2, 0.01))

    cohort = Cohort("phantom", 1, {"control": 1}, "3T", ("mr",), "multi-frame")
    sites = tuple(
        Site(i, f"s{i}", "", "namespace", link(bps), Pacs("orthanc", "orthanc"), cohort, Compute(0.0))
        for i, bps in enumerate(rates_bps, 1)
    )
    both = Link("hub", Direction(hub_bps, 0.0), Direction(hub_bps, 0.0))
    return Topology("x", 0, Hub(both), sites, Training("dementia", "fedavg", 1, 1, 8, 0.1, 0.5, True))


def test_a_link_wider_than_the_router_is_named() -> None:
    assert capacity.beyond(_topology(100, 500, hub_bps=1000), 400).sites == ("s2",)


def test_links_count_together_but_never_more_than_the_hubs() -> None:
    assert capacity.beyond(_topology(100, 100, 100, hub_bps=1000), 250).together_bps == 300
    assert capacity.beyond(_topology(100, 100, 100, hub_bps=250), 250).together_bps == 0


def test_what_another_machine_carried_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path))
    assert capacity.kept("uml") is None
    mine = capacity.Capacity("uml", 4e8, capacity._machine())
    capacity.keep(mine)
    assert capacity.kept("uml") == mine
    assert capacity.kept("host") is None
    capacity.keep(replace(mine, machine="another"))
    assert capacity.kept("uml") is None
