"""Probing: one PACS, and all fifty of a world in parallel, each from its own site's worker. Limits: 2 s and 15 s.

Real Orthancs over tiny cohorts (one study, multi-frame), baked once into a home of the benchmark's own.
"""

import os
import tempfile
import time
from pathlib import Path

from figures import tell

from emulator.worlds import World
from testbed import composition, probing

_SITES = 50
_ONE_S, _FIFTY_S = 2.0, 15.0
_ROUNDS = 3
_TOPOLOGY = f"""name: probing
defaults: {{cohort: {{studies: 1, scanner: 1.5T, storage: multi-frame}}}}
sites:
  - {{group: site, count: {_SITES}}}
"""


def main() -> None:
    """Probe, tell, take the world away."""
    with tempfile.TemporaryDirectory(prefix="probe-", ignore_cleanup_errors=True) as folder:
        os.environ["TESTBED_HOME"] = folder
        file = Path(folder, "probing.yaml")
        file.write_text(_TOPOLOGY)
        try:
            world = composition.bring_up(composition.read(file), "probing", None, lambda what, done, total: None)
            one, fifty = (_best(world, count) for count in (1, _SITES))
        finally:
            World.down("probing")
    tell("probe of one PACS", one, _ONE_S, "s")
    tell(f"probe of {_SITES} PACS in parallel", fifty, _FIFTY_S, "s")


def _best(world: World, count: int) -> float:
    """The shortest of some rounds, in seconds: the first also pays the imports."""
    took = []
    for _ in range(_ROUNDS):
        started = time.monotonic()
        found = probing.probed(world, world.topology.sites[:count])
        took.append(time.monotonic() - started)
        silent = [name for name, one in found.items() if not (one.answers and one.dimse and one.dimse.echo)]
        if silent:
            raise RuntimeError(f"no full answer from {', '.join(silent)}")
        print(f"{count} PACS: {took[-1]:.2f} s")
    return min(took)


if __name__ == "__main__":
    main()
