"""How property tests draw: the same examples in each run, and however slow the machine is at that moment. And how a run
that is told to end does."""

import signal

from hypothesis import HealthCheck, settings

# A machine that others use as well makes any example slow: a deadline for one says nothing about the code. And what
# one run found by chance would stop a change that has nothing to do with it, so each test draws what its own text
# gives (`--hypothesis-profile=default` looks further).
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_configure() -> None:
    """Whoever ends a run by SIGTERM, a time limit most of all, ends its worlds too: without this no fixture is taken
    down, and what was started stays."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
