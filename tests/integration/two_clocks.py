"""One training on both clocks, over the same world: jumped over as usual, and waited for in real time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emulator.topology import Clock, load
from emulator.worlds import World
from testbed import composition, training
from testbed.runs import opened

NAME = "clocks"
LIMIT = 0.03
ATTEMPTS = 3
LINKS = {"adsl": "adsl", "mobile": "4g", "clinic": "vdsl", "chu": "fibre"}
ALIKE = dict.fromkeys(LINKS, "per_sample: 550ms")
UNLIKE = {
    "adsl": "per_sample: 800ms, jitter: 5%",
    "mobile": "per_sample: 600ms, jitter: 5%",
    "clinic": "speed: 0.07, jitter: 5%",
    "chu": "speed: 0.11, jitter: 5%",
}
_TOPOLOGY = """
name: clocks
seed: 5
hub: {{link: {hub}}}
links:
  wide: {{rate: 1gbit, rtt: 2ms}}
  narrow: {{rate: 8mbit, rtt: 2ms}}
  adsl: {{down: 12mbit, up: 1mbit, rtt: 45ms}}
  4g: {{down: 30mbit, up: 10mbit, rtt: 60ms}}
  vdsl: {{down: 50mbit, up: 10mbit, rtt: 35ms}}
  fibre: {{rate: 1gbit, rtt: 12ms}}
defaults: {{cohort: {{studies: 6, storage: multi-frame}}}}
sites:
{sites}
training: {{rounds: 2, test_fraction: 0.34, local_epochs: 2, batch_size: 4}}
"""


@dataclass(frozen=True)
class Timed:
    """A training's rounds as `show` tells them, and seconds by round, site and phase."""

    rounds: list[dict[str, Any]]
    times: dict[tuple[int, str, str], float]

    @property
    def emulated_s(self) -> list[float]:
        return [entry["emulated_s"] for entry in self.rounds]

    @property
    def models(self) -> list[str]:
        return [entry["model_sha256"] for entry in self.rounds]


@dataclass(frozen=True)
class Both:
    """The same training on the emulated clock and on the real one. `tried` has the `worst` of every pair that was
    measured, this one's among them.
    """

    emulated: Timed
    real: Timed
    tried: tuple[float, ...] = ()

    @property
    def differences(self) -> list[float]:
        """Of each round and of the sum, as a share of the real time."""
        pairs = list(zip(self.emulated.emulated_s, self.real.emulated_s, strict=True))
        pairs.append((sum(self.emulated.emulated_s), sum(self.real.emulated_s)))
        return [emulated / real - 1 for emulated, real in pairs]

    @property
    def worst(self) -> float:
        """The largest of them, whichever way."""
        return max(map(abs, self.differences))


@contextmanager
def home(folder: Path) -> Iterator[None]:
    """`$TESTBED_HOME` is there, and no world of it is left afterwards."""
    before = os.environ.get("TESTBED_HOME")
    os.environ["TESTBED_HOME"] = str(folder)
    try:
        yield
    finally:
        if World.present(NAME) is not None:
            World.down(NAME)
        os.environ.pop("TESTBED_HOME")
        if before is not None:
            os.environ["TESTBED_HOME"] = before


def world(folder: Path, hub: str, compute: dict[str, str]) -> World:
    """A world of four sites behind a hub with a `wide` or a `narrow` link; the one that is up is changed into it."""
    sites = "\n".join(
        f"  - {{name: {name}, link: {link}, compute: {{{compute[name]}}}}}" for name, link in LINKS.items()
    )
    path = folder / "clocks.yaml"
    path.write_text(_TOPOLOGY.format(hub=hub, sites=sites))
    return composition.bring_up(load(path, composition.known()), NAME, None, lambda _what, _done, _of: None)


def on(clock: Clock, there: World) -> Timed:
    """Train on this clock over the world."""
    run = opened(training.train(there, replace(there.topology.training, clock=clock), there.topology.seed))
    rows = run.connection.execute("SELECT round, site, phase, seconds FROM times").fetchall()
    return Timed(run.summary()["rounds"], {(number, site, phase): s for number, site, phase, s in rows})


def both(there: World) -> Both:
    """Train on both clocks. Whatever else this machine does is on both as well, and never the same: the best of up to
    `ATTEMPTS` pairs counts.
    """
    pairs: list[Both] = []
    while len(pairs) < ATTEMPTS and all(pair.worst > LIMIT for pair in pairs):
        pairs.append(Both(on("emulated", there), on("real", there)))
    return replace(min(pairs, key=lambda pair: pair.worst), tried=tuple(pair.worst for pair in pairs))
