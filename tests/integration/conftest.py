"""Real worlds for the tests: each in a home of its own, each gone afterwards."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from image_builds import Build, finish, started
from networks import LINKS, make_site, make_topology, quiet

from emulator.images import Image
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


@pytest.fixture(scope="session")
def image_home(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `$TESTBED_HOME` whose images outlive a run of the tests: the key of each says whether it is right."""
    if pytestconfig.cache is None:
        pytest.skip("pytest's cache is switched off, and images are built into it")
    home = tmp_path_factory.mktemp("images")
    (home / "cache").mkdir()
    (home / "cache" / "images").symlink_to(pytestconfig.cache.mkdir("images"))
    return home


@pytest.fixture(scope="session")
def newer(image_home: Path) -> "Iterator[subprocess.Popen[str]]":
    """The command that builds debian-13, beside all that is done with debian-12."""
    with started("debian-13", image_home) as building:
        yield building


@pytest.fixture(scope="session")
def build(image_home: Path, newer: "subprocess.Popen[str]") -> Build:
    """debian-12, built for all tests: killed in the middle, and built to its end."""
    return Build.of("debian-12", image_home)


@pytest.fixture(scope="session")
def image(build: Build) -> Image:
    return build.image


@pytest.fixture(scope="session")
def guest_cache(build: Build, newer: "subprocess.Popen[str]", image_home: Path) -> Path:
    """A home's cache that has all images, and keeps what is made from them for as long as the tests run."""
    finish(newer)
    return image_home / "cache"
