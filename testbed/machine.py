"""What of this machine is ours to use."""

import os


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
