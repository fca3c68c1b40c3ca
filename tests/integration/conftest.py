"""Real worlds for the tests: each in a home of its own, each gone afterwards."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.topology.resolved import (
    Cohort,
    Compute,
    Direction,
    Hub,
    Link,
    Pacs,
    Site,
    Topology,
    Training,
)
from emulator.worlds import World

LINKS = {
    "regional": Link("regional", Direction(100_000_000, 0.006), Direction(100_000_000, 0.006)),
    "vdsl": Link("vdsl", Direction(50_000_000, 0.0175), Direction(10_000_000, 0.0175)),
    "4g": Link("4g", Direction(20_000_000, 0.030), Direction(6_000_000, 0.030)),
    "adsl": Link("adsl", Direction(8_000_000, 0.0225), Direction(1_000_000, 0.0225, queue_s=0.3)),
}
HUB_LINK = Link("datacentre", Direction(1_000_000_000, 0.001), Direction(1_000_000_000, 0.001))


def make_site(index: int, link: str, name: str | None = None) -> Site:
    cohort = Cohort("phantom", 3, {"control": 1, "mci": 1, "ad": 1}, "3T", ("mr",), "multi-frame")
    pacs = Pacs("modern", "orthanc")
    return Site(index, name or f"{link}-{index:02d}", link, "namespace", LINKS[link], pacs, cohort, Compute(0.01))


def make_topology(name: str, sites: list[Site]) -> Topology:
    training = Training("dementia", "fedavg", 1, 1, 8, 0.01, 0.25, True)
    return Topology(name, 7, Hub(HUB_LINK), tuple(sites), training)


def quiet(_what: str, _done: int, _of: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh `$TESTBED_HOME`."""
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of four sites, one on each kind of link, without PACS: for what the network promises."""
    before = os.environ.get("TESTBED_HOME")
    os.environ["TESTBED_HOME"] = str(tmp_path_factory.mktemp("home"))
    sites = [make_site(index, link) for index, link in enumerate(LINKS, 1)]
    try:
        yield World.up(make_topology("network", sites), "network", [], None, quiet)
    finally:
        World.down("network")
        if before is None:
            del os.environ["TESTBED_HOME"]
        else:
            os.environ["TESTBED_HOME"] = before


@pytest.fixture
def at(network: World) -> Callable[..., str]:
    """Run a program at a place of the network and give what it printed; it must succeed."""

    def run(place: str, *argv: str) -> str:
        code, output = network.output(place, argv)
        assert code == 0, f"{argv} at {place}: {output}"
        return output

    return run
