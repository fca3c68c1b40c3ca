"""The emulated clock shows what a real one would: the same trainings, jumped over and waited for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from two_clocks import ALIKE, LIMIT, UNLIKE, Both, both, home, world

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the world of this module lives."""
    path = tmp_path_factory.mktemp("clocks")
    with home(path / "home"):
        yield path


@pytest.fixture(scope="module")
def together(folder: Path) -> Both:
    """All compute alike, so that uploads meet at the hub's narrow link."""
    return both(world(folder, "narrow", ALIKE))


@pytest.fixture(scope="module")
def apart(folder: Path) -> Both:
    """All compute unlike, with jitter, so that no upload meets another."""
    return both(world(folder, "narrow", UNLIKE))


@pytest.fixture(params=["together", "apart"])
def case(request: pytest.FixtureRequest) -> Both:
    """Each of the two."""
    found: Both = request.getfixturevalue(request.param)
    return found


def test_rounds_take_as_long_on_the_emulated_clock_as_in_real_time(case: Both) -> None:
    assert len(case.real.rounds) == 2
    assert case.worst <= LIMIT, case.differences


def test_both_clocks_give_the_same_model_from_the_same_sites(case: Both) -> None:
    assert case.emulated.models == case.real.models
    for entry in (*case.emulated.rounds, *case.real.rounds):
        assert (len(entry["participants"]), entry["missing"]) == (4, {})


def test_the_real_clock_is_the_one_on_the_wall_and_the_emulated_one_jumps(case: Both) -> None:
    # What the hub itself does takes a tenth of a second, and more on a busy machine; to jump saves three seconds.
    for entry in case.real.rounds:
        assert 0 <= entry["wall_s"] - entry["emulated_s"] < 1.0
    for entry in case.emulated.rounds:
        assert entry["wall_s"] < entry["emulated_s"] - 1.0


def test_modelled_computing_takes_the_same_on_both_clocks(case: Both) -> None:
    for (number, site, phase), seconds in case.emulated.times.items():
        if phase in ("train", "eval"):
            assert case.real.times[number, site, phase] == pytest.approx(seconds, abs=0.5), (number, site, phase)


def test_uploads_contend_where_they_meet_and_only_there_on_both_clocks(together: Both, apart: Both) -> None:
    for site in ("clinic", "mobile"):
        key = (2, site, "update")
        assert together.emulated.times[key] > 1.5 * apart.emulated.times[key]
        assert together.real.times[key] > 1.5 * apart.real.times[key]
