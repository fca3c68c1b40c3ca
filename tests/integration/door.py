"""The command line as a user types it, and a small topology for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOPOLOGY = """
name: two
seed: 3
sites:
  - {name: near, link: research-network, cohort: {studies: 6, modalities: [mr, pet], storage: multi-frame}}
  - {name: far, link: vdsl, cohort: {studies: 6, modalities: [mr, pet], storage: multi-frame}}
training: {task: dementia, algorithm: fedavg, rounds: 2, test_fraction: 0.34}
fidelity: {rtt: 50ms, loss: 5%, waiting: 100%, host: 100%}  # a busy machine is not what is tested here
"""
WITHIN_S = 180


@dataclass(frozen=True)
class Door:
    """`testbed …` with a home of its own. `before` goes before each command line, `more` into its environment."""

    home: Path
    topology: Path
    before: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()
    within_s: int = WITHIN_S

    def argv(self, *words: str) -> list[str]:
        return [*self.before, sys.executable, "-m", "testbed", *words]

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "TESTBED_HOME": str(self.home), **dict(self.more)}

    def __call__(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            self.argv(*words), env=self.env, capture_output=True, text=True, timeout=self.within_s, check=False
        )
        assert ended.returncode == code, f"{words}: exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def start(self, *words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self.argv(*words), env=self.env, stdout=pipe, stderr=pipe, text=True)


@contextmanager
def opened(folder: Path) -> Iterator[Door]:
    """A home in which the world `two` is up; the home of this process, too."""
    (folder / "two.yaml").write_text(TOPOLOGY)
    door = Door(folder / "home", folder / "two.yaml")
    before = os.environ.get("TESTBED_HOME")
    os.environ["TESTBED_HOME"] = str(door.home)
    try:
        door("up", str(door.topology))
        yield door
    finally:
        door("down", "--all")
        os.environ.pop("TESTBED_HOME")
        os.environ.update({"TESTBED_HOME": before} if before else {})
