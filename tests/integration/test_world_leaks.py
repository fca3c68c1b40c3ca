"""A world can't leak: after its end, however it came, nothing of it is left on the machine."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from networks import make_site, make_topology, quiet

from emulator.errors import Fell, WorldBusy, WrongState
from emulator.waiting import wait_until
from emulator.worlds import Early, World, home, ls
from emulator.worlds.birth import Begun
from emulator.worlds.home import locked

pytestmark = pytest.mark.integration

_HERE = Path(__file__).parent
_OURS = re.compile(r"wan|lan|r0|uml|u\d+|pacs|worker")
_UP = [sys.executable, str(_HERE / "up_network.py")]


def _env(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{_HERE.parents[1]}:{_HERE}", **more}


def _processes(home: Path) -> set[str]:
    """Processes of the worlds of a home: all of them carry its path in their command line or their environment."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:  # ended meanwhile, or not ours to see
            continue
        if str(home).encode() in said:
            found.add(f"{process.name}: {said[:200]!r}")
    return found


def _traces(home: Path) -> set[str]:
    """What a world could leave on the host: processes, interfaces, mounts. A namespace needs a process or a mount."""
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
    interfaces = {link["ifname"] for link in links if _OURS.fullmatch(link["ifname"])}
    mounts = {line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(home) in line}
    return _processes(home) | interfaces | mounts


@pytest.fixture
def nothing_left(home: Path) -> Iterator[Callable[[], None]]:
    """Checks that nothing of this home's worlds is on the machine, and checks it again at the end."""

    def check() -> None:
        try:
            wait_until(lambda: not _traces(home), within_s=30, what="a clean machine")
        except Fell:
            raise AssertionError(_traces(home)) from None

    check()
    yield check
    for entry in ls():
        World.down(entry.name)
    check()
    worlds = home / "worlds"
    assert not worlds.exists() or not list(worlds.iterdir())


def _up(name: str = "leaky") -> World:
    return World.up(make_topology(name, [make_site(1, "vdsl"), make_site(2, "4g")]), name, [], None, quiet)


def test_down_leaves_nothing(nothing_left: Callable[[], None]) -> None:
    _up()
    assert World.down("leaky")
    nothing_left()
    assert not (home() / "worlds" / "leaky").exists()
    assert not World.down("leaky")


@pytest.mark.parametrize("moment_s", [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.2, 1.6])
def test_a_killed_up_leaves_nothing(nothing_left: Callable[[], None], moment_s: float) -> None:
    up = subprocess.Popen([*_UP, "leaky"], env=_env(), stdout=subprocess.PIPE, text=True)
    assert up.stdout
    assert up.stdout.readline() == "begin\n"
    time.sleep(moment_s + random.uniform(0, 0.05))  # noqa: S311 - any moment will do
    up.kill()
    ended = up.communicate()[0]
    if "up" not in ended:
        nothing_left()
    wait_until(lambda: all(entry.state in ("broken", "up") for entry in ls()), within_s=30, what="the init's end")
    world = _up()  # what is left in the folder hinders nobody
    assert world.state == "up"


def test_an_interrupted_up_takes_away_what_it_made(nothing_left: Callable[[], None]) -> None:
    up = subprocess.Popen([*_UP, "leaky"], env=_env(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert up.stdout
    up.stdout.readline()
    time.sleep(0.5)
    up.send_signal(signal.SIGINT)
    up.wait(60)
    nothing_left()
    assert ls() == []


def test_what_was_begun_early_and_not_taken_goes(nothing_left: Callable[[], None], home: Path) -> None:
    with Early(None):
        pass
    nothing_left()
    assert list((home / "scratch").iterdir()) == []


def test_what_a_killed_command_had_begun_early_ends_with_it_and_is_swept(
    nothing_left: Callable[[], None], home: Path
) -> None:
    source = "from emulator.worlds import Early; e = Early(None); e.__enter__(); print(e.take()); input()"
    beginning = subprocess.Popen(
        [sys.executable, "-c", source], env=_env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert beginning.stdout
    assert beginning.stdout.readline().startswith("Begun(")
    beginning.kill()
    beginning.communicate()
    nothing_left()
    assert len(list((home / "scratch").iterdir())) == 1
    with Early(None) as early:
        world = World.up(make_topology("leaky", [make_site(1, "vdsl")]), "leaky", [], None, quiet, early)
        assert list((home / "scratch").iterdir()) == []
    assert world.state == "up"
    assert world.output("hub", ["hostname"]) == (0, "leaky\n")


def test_an_up_that_is_interrupted_as_it_takes_what_was_begun_early_leaves_nothing(
    nothing_left: Callable[[], None], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Begun.moved

    def interrupted(begun: Begun, folder: Path) -> Begun:
        move(begun, folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(Begun, "moved", interrupted)
    with Early(None) as early, pytest.raises(KeyboardInterrupt):
        World.up(make_topology("leaky", [make_site(1, "vdsl")]), "leaky", [], None, quiet, early)
    assert ls() == []
    nothing_left()


def test_what_was_begun_early_on_another_file_system_begins_anew(
    nothing_left: Callable[[], None], home: Path, other_file_system: Path
) -> None:
    with Early(None) as early:
        world = World.up(make_topology("leaky", [make_site(1, "vdsl")]), "leaky", [], None, quiet, early)
    assert world.output("hub", ["hostname"]) == (0, "leaky\n")
    assert list((home / "scratch").iterdir()) == []


@pytest.fixture
def other_file_system(home: Path, nothing_left: Callable[[], None]) -> Iterator[Path]:
    """Where this home keeps what it keeps for a while."""
    folder = home / "scratch"
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False).returncode:
        pytest.skip("this user can't mount another file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_what_can_not_be_begun_early_leaves_nothing(nothing_left: Callable[[], None], home: Path) -> None:
    home.mkdir()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as hidden:
        (home / "scratch").symlink_to(hidden)
        with Early(None) as early:
            assert early.take() is None
        assert list(Path(hidden).iterdir()) == []


def test_killing_the_init_ends_everything(nothing_left: Callable[[], None]) -> None:
    world = _up()
    os.kill(world.record.init_pid, signal.SIGKILL)
    wait_until(lambda: [entry.state for entry in ls()] == ["broken"], within_s=30, what="the init's end")
    nothing_left()
    with pytest.raises(WrongState):
        world.output("hub", ["true"])
    assert World.down("leaky")


def test_the_world_outlives_its_agent(nothing_left: Callable[[], None]) -> None:
    world = _up()
    agent = world.output(
        "wan", ["sh", "-c", "for p in /proc/[0-9]*; do echo ${p#/proc/} $(awk '{print $4}' $p/stat); done"]
    )
    children = [int(line.split()[0]) for line in agent[1].splitlines() if line.split()[1:] == ["1"]]
    with pytest.raises(Fell):  # the agent takes the command with it
        world.output("wan", ["kill", "-9", str(min(children))])
    wait_until(lambda: _answers(world), within_s=30, what="a new agent")
    assert world.output("vdsl-01/worker", ["ping", "-c", "1", "10.0.0.2"])[0] == 0


def _answers(world: World) -> bool:
    try:
        return world.output("hub", ["true"])[0] == 0
    except (Fell, WrongState):
        return False


def test_a_command_in_the_world_ends_with_the_one_who_asked(nothing_left: Callable[[], None]) -> None:
    world = _up()
    source = f"from emulator.worlds import World; World.open('{world.name}').run('hub', ['sleep', '97531']).wait()"
    asking = subprocess.Popen([sys.executable, "-c", source], env=_env())
    wait_until(lambda: "97531" in world.output("wan", _COMMANDS)[1], within_s=30, what="the command")
    asking.kill()
    asking.wait()
    wait_until(lambda: "97531" not in world.output("wan", _COMMANDS)[1], within_s=30, what="its end")


_COMMANDS = ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | sed s/sh.-c.*//"]


def test_two_ups_at_once_do_not_meet(home: Path) -> None:
    with locked("leaky"), pytest.raises(WorldBusy):
        _up()


def test_up_again_changes_only_the_difference(nothing_left: Callable[[], None]) -> None:
    world = _up()
    init = world.record.init_pid
    again = _up()
    assert again.record == world.record
    more = make_topology("leaky", [make_site(1, "vdsl"), make_site(2, "adsl"), make_site(3, "regional")])
    changed = World.up(more, "leaky", [], None, quiet)
    assert changed.record.init_pid == init
    assert changed.output("regional-03/worker", ["ping", "-c", "1", "-W", "2", "10.0.0.2"])[0] == 0
    assert changed.output("adsl-02/worker", ["ping", "-c", "1", "-W", "2", "10.0.0.2"])[0] == 0
    with pytest.raises(Fell):
        changed._agent.output("4g-02", ["true"])


@pytest.mark.skipif(os.getuid() != 0, reason="this whole run is without root already")
def test_a_world_needs_no_root(tmp_path_factory: pytest.TempPathFactory) -> None:
    stranger = 61_234
    folder = tmp_path_factory.mktemp("stranger")
    for parent in [folder, *folder.parents][:3]:
        parent.chmod(0o755)
    os.chown(folder, stranger, stranger)
    as_stranger = ["setpriv", f"--reuid={stranger}", f"--regid={stranger}", "--clear-groups"]
    env = _env(TESTBED_HOME=str(folder / "home"), HOME=str(folder))
    if subprocess.run([*as_stranger, "test", "-r", _UP[1], "-a", "-x", sys.executable], check=False).returncode:
        pytest.skip("this checkout lies where an ordinary user can't read it")
    ping = "from emulator.worlds import World; "
    ping += "print(World.open('poor').output('vdsl-02/worker', ['ping', '-c', '3', '10.0.0.2']))"
    up = subprocess.run([*as_stranger, *_UP, "poor"], env=env, capture_output=True, text=True, check=False)
    try:
        assert "up" in up.stdout.split(), up.stderr
        told = subprocess.run(
            [*as_stranger, sys.executable, "-c", ping], env=env, capture_output=True, text=True, check=True
        )
        assert "3 received" in told.stdout
    finally:
        down = "from emulator.worlds import World; World.down('poor')"
        subprocess.run([*as_stranger, sys.executable, "-c", down], env=env, check=True)
