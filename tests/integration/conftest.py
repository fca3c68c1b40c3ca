"""Real worlds for the tests: each in a home of its own, each gone afterwards."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from networks import LINKS, make_site, make_topology, quiet

from emulator.worlds import World


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
