"""How property tests draw: the same examples in each run, and however slow the machine is at that moment."""

from hypothesis import HealthCheck, settings

# A machine that others use as well makes any example slow: a deadline for one says nothing about the code. And what
# one run found by chance would stop a change that has nothing to do with it, so each test draws what its own text
# gives (`--hypothesis-profile=default` looks further).
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
