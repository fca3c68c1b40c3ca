"""What a command keeps for a while is its user's alone, and goes with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from emulator.worlds.scratch import scratch

KILLED = """
from emulator.worlds.scratch import scratch
made = scratch("filling")
print(made.__enter__(), flush=True)
input()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_it_is_in_the_home_for_its_user_alone_and_gone_afterwards(home: Path) -> None:
    with scratch("filling") as folder:
        assert folder.is_relative_to(home)
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "study").mkdir()
    assert not folder.exists()


def test_what_a_killed_command_left_is_swept_by_the_next_and_what_a_running_one_has_is_not() -> None:
    running, killed = (
        subprocess.Popen([sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    assert running.stdout
    assert killed.stdout
    left, kept = Path(killed.stdout.readline().strip()), Path(running.stdout.readline().strip())
    killed.kill()
    killed.communicate()
    assert left.is_dir()
    with scratch("filling"):
        assert (left.exists(), kept.exists()) == (False, True)
    running.kill()
    running.communicate()
