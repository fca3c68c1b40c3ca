"""How long a site's computing takes in one round, by its compute profile."""

import math

from emulator.topology.resolved import Compute
from trainer import seeds

FORWARD_SHARE = 1 / 3
"""What a prediction costs of a training step on the same sample: the forward pass, without the two products
of the backward pass.
"""


def seconds_per_sample(compute: Compute, seed: int, site: str, number: int) -> float:
    """Seconds that `site` takes for one sample of one epoch in round `number`: the profile's, times a factor of
    mean 1 that is drawn from the seed by the names of site and round.

    The factor is log-normal, because times can't fall below 0 and are now and then much longer, and is given by
    its own mean and coefficient of variation c (`jitter`), not by those of its logarithm: σ² = ln(1 + c²),
    μ = -σ²/2. So jitter changes no mean, and a jitter of 10 % means 10 % of the time itself.
    """
    variance = math.log1p(compute.jitter**2)
    normal = seeds.generator(seed, f"{site}/compute/round-{number}").standard_normal()
    return compute.seconds_per_sample * math.exp(math.sqrt(variance) * float(normal) - variance / 2)
