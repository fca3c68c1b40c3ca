"""What a site's computing takes, round by round."""

import numpy as np
import pytest

from emulator.topology import Compute
from trainer.clock.computing import seconds_per_sample


def test_without_jitter_every_round_takes_the_profile_s_time() -> None:
    assert {seconds_per_sample(Compute(0.03), 7, "lyon", number) for number in range(20)} == {0.03}


@pytest.mark.parametrize("jitter", [0.05, 0.3, 1.0])
def test_jitter_is_the_coefficient_of_variation_and_changes_no_mean(jitter: float) -> None:
    drawn = np.array([seconds_per_sample(Compute(2.0, jitter), 7, "lyon", number) for number in range(4000)])
    assert drawn.min() > 0
    assert drawn.mean() == pytest.approx(2.0, rel=0.06 * jitter)
    assert drawn.std() / drawn.mean() == pytest.approx(jitter, rel=0.2)


def test_a_draw_depends_on_seed_site_and_round_alone() -> None:
    def drawn(seed: int, site: str, number: int) -> float:
        return seconds_per_sample(Compute(1.0, 0.1), seed, site, number)

    assert drawn(7, "lyon", 3) == drawn(7, "lyon", 3)
    assert len({drawn(7, "lyon", 3), drawn(8, "lyon", 3), drawn(7, "nice", 3), drawn(7, "lyon", 4)}) == 4
