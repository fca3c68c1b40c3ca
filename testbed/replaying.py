"""A run made again from its record: over the world that it ran on, or over one that is brought up for it."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from emulator.faults import replaying
from emulator.topology.fields import LONGEST_NAME
from emulator.worlds import World
from testbed import composition, differences
from testbed.launching import composed, differing
from testbed.overrides import overridden
from testbed.progress import Report
from testbed.runs import opened
from testbed.training import trained
from trainer.errors import CannotReplay
from trainer.record import Run, versions
from trainer.record.script import script


@dataclass(frozen=True)
class Replayed:
    """How a replay went; `machine` is what is not as it was where the run was recorded."""

    run: str
    replay_of: str
    strict: bool
    settings: tuple[str, ...]
    model_sha256: str
    differences: tuple[differences.Difference, ...]
    machine: tuple[dict[str, str], ...]

    @property
    def identical(self) -> bool:
        """Whether nothing differs that was compared."""
        return not self.differences

    def document(self) -> dict[str, Any]:
        """What `replay --json` prints."""
        return {
            "run": self.run,
            "replay_of": self.replay_of,
            "strict": self.strict,
            "with": list(self.settings),
            "identical": self.identical,
            "model_sha256": self.model_sha256,
            "differences": list(self.differences),
            "machine": list(self.machine),
        }


def replayed(recorded: Run, strict: bool, settings: Sequence[str], wan: str | None, report: Report) -> Replayed:
    """Runs it again and compares. `settings` are other values of its training, `wan` the kernel of a world that is
    brought up for it. Raises `CannotReplay` where there is nothing to repeat.
    """
    before = differences.told(recorded)
    if not before:
        raise CannotReplay(f"run {recorded.folder.name} has no whole round; there is nothing to replay")
    forced = script(recorded) if strict else ()
    happens = () if strict else replaying.replayed(recorded.events())
    training = overridden(replace(recorded.config().training, rounds=len(before)), None, None, None, settings)
    with _world(recorded, wan, report) as world:
        config = composed(world, training, recorded.config().seed, happens, recorded.folder.name, forced)
        run = opened(trained(world, config))
    after = differences.told(run)
    compared = differences.of_models if strict else differences.of_runs
    return Replayed(
        run=run.folder.name,
        replay_of=recorded.folder.name,
        strict=strict,
        settings=tuple(settings),
        model_sha256=after[-1].model_sha256,
        differences=tuple(compared(before, after)),
        machine=tuple(versions.differing(recorded.versions(), versions.here())),
    )


@contextmanager
def _world(recorded: Run, wan: str | None, report: Report) -> Iterator[World]:
    """The world that the run ran on, where it is up and as it was; else one of its own, gone afterwards."""
    topology = recorded.topology()
    present = World.present(recorded.entry()["world"])
    if present is not None and not differing(topology, present.topology) and not present.changed_links():
        yield present
        return
    name = f"replay-{secrets.token_hex(2)}-{recorded.folder.name}"[:LONGEST_NAME].rstrip("-")  # of this command alone
    world = composition.bring_up(topology, name, wan, report)
    try:
        yield world
    finally:
        World.down(name)
