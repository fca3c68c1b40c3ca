"""Bad input and bad luck, as a user meets them: kills, missing programs, refused namespaces, two commands at once.

Each gives one clear message and the right exit code, loses nothing, and leaves no process behind.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from door import Door

from emulator.waiting import wait_until

pytestmark = pytest.mark.integration

TOPOLOGY = """
name: two
seed: 3
sites:
  - {name: near, link: research-network, cohort: {studies: 5, modalities: [mr], storage: multi-frame}}
  - {name: far, link: vdsl, cohort: {studies: 4, modalities: [mr], storage: multi-frame}}
training: {task: dementia, algorithm: fedavg, rounds: 4, test_fraction: 0.4}
fidelity: {rtt: 50ms, loss: 5%, waiting: 100%, host: 100%}  # a busy machine is not what is tested here
"""
TRAINER = "trainer.launch"
GONE_WITHIN_S = 30.0  # far more than it takes: two processors may be busy with other things
OVENS = 3
ANY = random.Random()  # noqa: S311 - any moment will do


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the cohorts of `TOPOLOGY` are baked; it is never written again."""
    folder = tmp_path_factory.mktemp("baked")
    (folder / "two.yaml").write_text(TOPOLOGY)
    door = Door(folder / "home", folder / "two.yaml")
    door("up", str(door.topology))
    door("down")
    return door.home / "cache"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Door]:
    """A home of this test alone, in which nothing is baked; when the test has ended, nothing of it may run."""
    (tmp_path / "two.yaml").write_text(TOPOLOGY)
    door = Door(tmp_path / "home", tmp_path / "two.yaml")
    yield door
    door("down", "--all")
    nothing_runs(door)
    assert not list((door.home / "worlds").glob("*"))


@pytest.fixture
def door(bare: Door, baked: Path) -> Door:
    """A home of this test alone, in which the cohorts are baked and no world is up."""
    shutil.copytree(baked, bare.home / "cache", copy_function=os.link)
    return bare


def up(door: Door, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return door("up", str(door.topology), *words, code=code)


def status(door: Door) -> dict[str, Any]:
    found = json.loads(door("status", "two", "--json").stdout)
    assert isinstance(found, dict)
    return found


def answers(door: Door) -> dict[str, tuple[bool, int]]:
    """By site: whether its PACS answers, and how many studies it holds."""
    return {site["name"]: (site["pacs"]["answers"], site["pacs"]["studies"]) for site in status(door)["sites"]}


def worlds(door: Door) -> dict[str, dict[str, Any]]:
    return {world["name"]: world for world in json.loads(door("ls", "--json").stdout)["worlds"]}


def until_broken(door: Door) -> None:
    """Wait for the end of the init of `two`: it is the last of its world, and dies without a name for a moment."""
    wait_until(lambda: worlds(door)["two"]["state"] == "broken", within_s=GONE_WITHIN_S, what="the end of the init")


def init_of(door: Door, world: str = "two") -> int:
    return int(worlds(door)[world]["pid"])


def processes(door: Door) -> list[psutil.Process]:
    """All processes of the machine that have this home in their command line or their environment."""
    mark = str(door.home).encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            named = mark in (folder / "cmdline").read_bytes() or mark in (folder / "environ").read_bytes()
            if named and int(folder.name) != os.getpid():
                found.append(psutil.Process(int(folder.name)))
        except (OSError, psutil.NoSuchProcess):
            continue  # ended meanwhile, or not ours to see
    return found


def nothing_runs(door: Door) -> None:
    wait_until(lambda: not processes(door), within_s=GONE_WITHIN_S, what=f"the end of {processes(door)}")


def pacs_of(door: Door, site: str) -> psutil.Process:
    """The process of a site's Orthanc, as this machine numbers it."""
    own = f"/services/{site}.pacs/"
    (found,) = [one for one in processes(door) if any(own in word for word in one.cmdline())]
    return found


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate(timeout=GONE_WITHIN_S)


def until_said(process: "subprocess.Popen[str]", words: str) -> None:
    """Read what a command says until it says this."""
    assert process.stderr is not None
    heard = []
    for line in process.stderr:
        heard.append(line)
        if words in line:
            return
    raise AssertionError(f"it ended without '{words}': {heard}")


def message(ended: "subprocess.CompletedProcess[str]") -> str:
    """The one message with which a command ended; no program's inner life beside it."""
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.stderr.count("testbed: ") == 1, ended.stderr
    return ended.stderr[ended.stderr.index("testbed: ") :].strip()


def trainers(door: Door) -> list[str]:
    """The trainer's processes, seen from inside the world."""
    seen = door(
        "exec", "two", "wan", "--", "sh", "-c", r"for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline; echo; done"
    )
    return [line for line in seen.stdout.splitlines() if TRAINER in line]


@pytest.mark.parametrize("moment", ["round 1", "a later round"])
def test_a_killed_train_leaves_no_trainer_and_is_resumed_to_the_same_model(door: Door, moment: str) -> None:
    up(door)
    rounds = ("--rounds", "8")  # six are left when the second is told: seconds, in which a command sees the trainer
    undisturbed = json.loads(door("train", *rounds, "--json").stdout)
    training = door.start("train", *rounds)
    until_said(training, "over 2 sites" if moment == "round 1" else "round 2 of 8")
    time.sleep(ANY.uniform(0.0, 0.3))
    assert len(trainers(door)) >= 4, "launcher, hub and two workers"
    kill(training)
    wait_until(lambda: not trainers(door), within_s=GONE_WITHIN_S, what="the end of the trainer")
    assert worlds(door)["two"]["state"] == "up"
    assert answers(door) == {"near": (True, 5), "far": (True, 4)}
    newest, before = json.loads(door("runs", "--json").stdout)["runs"]
    assert (before["run"], before["state"]) == (undisturbed["run"], "done")
    assert newest["state"] == "interrupted"
    resumed = json.loads(door("train", "--resume", newest["run"], "--json").stdout)
    assert (resumed["run"], resumed["state"]) == (newest["run"], "done")
    assert [entry["round"] for entry in resumed["rounds"]] == list(range(1, 9))
    assert resumed["model_sha256"] == undisturbed["model_sha256"]


def test_a_killed_pacs_is_seen_and_up_restarts_just_that_one(door: Door) -> None:
    up(door)
    init, near, far = init_of(door), pacs_of(door, "near"), pacs_of(door, "far")
    near.kill()
    wait_until(lambda: not near.is_running(), within_s=GONE_WITHIN_S, what="the end of near's PACS")
    fallen, whole = status(door)["sites"]
    assert (fallen["name"], fallen["state"], fallen["pacs"]["answers"]) == ("near", "fallen", False)
    assert "near/pacs does not answer" in fallen["pacs"]["error"]
    assert (whole["name"], whole["state"], whole["pacs"]["answers"]) == ("far", "up", True)
    assert "restart 1: near/pacs" in up(door, "--plan").stdout
    up(door)
    assert answers(door) == {"near": (True, 5), "far": (True, 4)}
    assert (init_of(door), pacs_of(door, "far")) == (init, far)
    assert pacs_of(door, "near") != near
    assert "nothing to do" in up(door, "--plan").stdout


def test_up_that_is_killed_while_it_bakes_leaves_nothing_and_the_next_one_goes_on(bare: Door) -> None:
    for _ in range(OVENS):
        bringing = bare.start("up", str(bare.topology))
        until_said(bringing, "baking studies")
        time.sleep(ANY.uniform(0.0, 2.5))  # an Orthanc takes longer than that to stop: this bake is not done
        kill(bringing)
        nothing_runs(bare)
        assert worlds(bare) == {}
    up(bare)
    assert answers(bare) == {"near": (True, 5), "far": (True, 4)}
    assert not list((bare.home / "cache" / "cohorts").glob(".baking-*"))


def test_up_that_is_killed_at_any_moment_leaves_nothing_and_the_next_one_works(door: Door) -> None:
    folder = door.home / "worlds" / "two"
    for moment_s in (0.0, 0.2, 0.5, 1.0, 2.0):
        bringing = door.start("up", str(door.topology))
        wait_until(folder.exists, within_s=GONE_WITHIN_S, what="the beginning of the world")
        time.sleep(moment_s + ANY.uniform(0.0, 0.2))
        kill(bringing)
        if worlds(door)["two"]["state"] != "up":  # it may have been quicker than we were
            until_broken(door)
            nothing_runs(door)
            for words in (("status",), ("train",), ("exec", "hub", "--", "true")):
                assert "'two'" in message(door(*words, code=4))
        if moment_s < 1.0:
            door("down", "two")
    up(door)
    assert answers(door) == {"near": (True, 5), "far": (True, 4)}


def test_up_that_is_killed_while_it_changes_a_world_is_made_good_by_the_next(door: Door) -> None:
    up(door)
    whole = door.topology.read_text()
    for moment_s in (0.0, 0.3, 0.6):
        door.topology.write_text(re.sub(r".*name: near.*\n", "", whole))
        changing = door.start("up", str(door.topology))
        wait_until(partial(begun, door, changing), within_s=GONE_WITHIN_S, what="the change")
        time.sleep(moment_s)
        kill(changing)
        door.topology.write_text(whole)
        up(door)
        assert answers(door) == {"near": (True, 5), "far": (True, 4)}


def begun(door: Door, changing: "subprocess.Popen[str]") -> bool:
    """Whether a change of `two` has begun, by its record: it may be over before a command could tell."""
    record = json.loads((door.home / "worlds" / "two" / "world.json").read_text())
    return record["state"] != "up" or changing.poll() is not None


def test_train_needs_a_world_that_is_up_and_says_how_to_get_one(door: Door) -> None:
    assert "no world is up; bring one up with: testbed up TOPOLOGY" in message(door("train", code=4))
    assert "world 'two' is not up" in message(door("train", "two", code=4))
    up(door)
    run = door("train", "--rounds", "1").stdout.strip()
    os.kill(init_of(door), signal.SIGKILL)
    until_broken(door)
    nothing_runs(door)
    assert "world 'two' is broken; bring it up again by: testbed up" in message(door("train", code=4))
    door("down")
    assert "no world is up" in message(door("train", code=4))
    assert [entry["run"] for entry in json.loads(door("runs", "--json").stdout)["runs"]] == [run]


def hidden(path: str) -> list[str]:
    """The words before a command that make it see an empty folder, or no program, at `path`; only it does."""
    kind = "-t tmpfs none" if Path(path).is_dir() else "--bind /dev/null"
    rights = "-m" if os.geteuid() == 0 else "-Urm"
    return ["unshare", rights, "sh", "-c", f'mount {kind} "$0" && exec "$@"', path]


def program() -> str:
    found = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert found, "these tests need Orthanc"
    return found


def plugins() -> str:
    from nodes.pacs.orthanc_release import Installed

    return str(Path(Installed().plugin("DicomWeb")).parent)


def run_behind(door: Door, before: Sequence[str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*before, *door.argv(*words)], env=door.env, capture_output=True, text=True, timeout=180, check=False
    )


@pytest.mark.parametrize("home", ["bare", "door"], ids=["nothing baked", "all baked"])
@pytest.mark.parametrize(
    ("what", "package"), [(program, "orthanc"), (plugins, "orthanc-dicomweb")], ids=["program", "plugin"]
)
def test_without_orthanc_up_says_what_to_install(
    request: pytest.FixtureRequest, home: str, what: Callable[[], str], package: str
) -> None:
    door: Door = request.getfixturevalue(home)
    ended = run_behind(door, hidden(what()), "up", str(door.topology))
    assert ended.returncode == 3, ended.stderr
    assert re.fullmatch(rf"testbed: Orthanc.* is not installed here .*; apt-get install {package}", message(ended))
    assert "baking" not in ended.stderr, "this can be said before minutes of work"
    assert worlds(door) == {}
    nothing_runs(door)


def without_namespaces() -> list[str]:
    """The words before a command that make it an ordinary user who may have no namespaces.

    The user namespace that it runs in is the one that its parent's limit allows.
    """
    limited = 'echo 1 > /proc/sys/user/max_user_namespaces && exec unshare -U --map-user=1000 --map-group=1000 "$@"'
    return ["unshare", "-Ur", "sh", "-c", limited, "sh"]


@pytest.mark.parametrize("home", ["bare", "door"], ids=["nothing baked", "all baked"])
def test_where_namespaces_are_refused_up_says_what_to_change(request: pytest.FixtureRequest, home: str) -> None:
    door: Door = request.getfixturevalue(home)
    before = without_namespaces()
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let a test refuse namespaces to its own children")
    assert subprocess.run([*before, "unshare", "-U", "true"], capture_output=True, check=False).returncode == 1
    ended = run_behind(door, before, "up", str(door.topology))
    assert ended.returncode == 3, ended.stderr
    said = message(ended)
    assert "run as root" in said
    assert "user.max_user_namespaces" in said
    assert "baking" not in ended.stderr, "this can be said before minutes of work"
    assert worlds(door) == {}
    told = run_behind(door, before, "doctor")
    assert told.returncode == 3
    assert "user.max_user_namespaces" in told.stdout


def test_what_forbids_a_world_is_said_before_anything_is_baked(bare: Door) -> None:
    ended = up(bare, "--wan", "hots", code=2)
    assert "--wan: 'hots' is no WAN kernel; expected one of host, uml" in message(ended)
    assert "baking" not in ended.stderr
    for options, told in (
        ("http_threads: 0", "pacs.modern.http_threads: found '0'; expected a number of threads from 1 to 256"),
        ("dimse: {associations: 1}", "option 'dimse.associations': Orthanc takes any number of them"),
    ):
        profile = f"pacs: {{modern: {{flavour: orthanc, {options}}}}}\ndefaults: {{pacs: modern}}\n"
        bare.topology.write_text(TOPOLOGY + profile)
        ended = up(bare, code=2)
        assert told in message(ended)
        assert "baking" not in ended.stderr


def test_while_up_is_at_work_other_commands_on_its_world_are_told_so(door: Door) -> None:
    first = door.start("up", str(door.topology))
    record = door.home / "worlds" / "two" / "world.json"
    wait_until(record.exists, within_s=GONE_WITHIN_S, what="the beginning of the world")
    first.send_signal(signal.SIGSTOP)  # it could be done before a second one has begun
    try:
        busy = "world 'two' is being changed by another command; wait for it"
        assert busy in message(up(door, code=4))
        assert busy in message(door("down", "two", code=4))
        assert worlds(door)["two"]["state"] in ("starting", "broken")
        assert "world 'two' is" in message(door("train", code=4))
    finally:
        first.send_signal(signal.SIGCONT)
        _, said = first.communicate(timeout=180)
    assert first.returncode == 0, said
    assert answers(door) == {"near": (True, 5), "far": (True, 4)}


def test_of_several_ups_at_once_one_wins_and_none_harms_it(door: Door) -> None:
    racing = [door.start("up", str(door.topology)) for _ in range(3)]
    said = [one.communicate(timeout=180)[1] for one in racing]
    codes = [one.returncode for one in racing]
    assert 0 in codes, said
    for code, words in zip(codes, said, strict=True):
        assert code == 0 or (code == 4 and "is being changed by another command" in words), words
    assert answers(door) == {"near": (True, 5), "far": (True, 4)}


def test_up_after_a_cohort_has_changed_serves_the_new_studies_from_that_pacs_alone(door: Door) -> None:
    up(door)
    init, near = init_of(door), pacs_of(door, "near")
    asked = ["far/worker", "--", "curl", "-sf", "http://10.0.2.2:8042/dicom-web/studies?includefield=0020000D"]
    before = door("exec", *asked).stdout
    door.topology.write_text(TOPOLOGY.replace("studies: 4, modalities: [mr]", "studies: 6, modalities: [mr, pet]"))
    plan = json.loads(up(door, "--plan", "--json").stdout)
    assert plan["bake"] == ["far"]
    assert plan["changes"]["restart"] == ["far/pacs"]
    up(door)
    far = status(door)["sites"][1]["pacs"]
    assert (far["answers"], far["studies"], far["instances"]) == (True, 6, 12)
    after = door("exec", *asked).stdout
    assert len(json.loads(after)) == 6
    assert (init_of(door), pacs_of(door, "near")) == (init, near)
    door.topology.write_text(TOPOLOGY)
    up(door)
    assert studies_in(door("exec", *asked).stdout) == studies_in(before)


def studies_in(answer: str) -> set[str]:
    """The study UIDs in an answer of QIDO-RS."""
    return {study["0020000D"]["Value"][0] for study in json.loads(answer)}


@pytest.mark.parametrize(
    ("right", "wrong", "place", "says"),
    [
        ("link: vdsl", "link: vdls", r"6:\d+", r"vdls.*vdsl"),
        ("seed: 3", "seed: 3\nlinks: {slow: {rate: -5mbit, rtt: 10ms}}", r"4:\d+", r"-5mbit"),
        ("name: far", "name: near", r"6:\d+", r"near"),
        ("studies: 4", "studies: 0", r"6:\d+", r"0.*1"),
    ],
    ids=["unknown profile", "negative rate", "two sites of one name", "no studies"],
)
@pytest.mark.parametrize("command", ["up", "validate"])
def test_a_wrong_topology_is_refused_at_its_line_and_column(
    bare: Door, command: str, right: str, wrong: str, place: str, says: str
) -> None:
    bare.topology.write_text(TOPOLOGY.replace(right, wrong))
    ended = bare(command, str(bare.topology), code=2)
    assert re.search(rf"two\.yaml:{place}: .*{says}", ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr
    assert worlds(bare) == {}


def test_down_all_takes_broken_worlds_away_too(door: Door) -> None:
    up(door)
    up(door, "--name", "other")
    os.kill(init_of(door), signal.SIGKILL)
    until_broken(door)
    assert worlds(door)["other"]["state"] == "up"
    assert sorted(json.loads(door("down", "--all", "--json").stdout)["down"]) == ["other", "two"]
    nothing_runs(door)
    assert worlds(door) == {}
    assert not list((door.home / "worlds").glob("*"))
