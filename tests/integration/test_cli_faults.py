"""Faults in one world, as a user begins them: each really happens and really ends, whoever has died meanwhile."""

import datetime
import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from door import Door, opened

from emulator import events
from emulator.errors import Fell, WrongState
from emulator.places import DICOMWEB_PORT, HUB_ADDRESS, HUB_PROCESS, PROBE_PORTS, WORKER_PROCESS, pacs_address
from emulator.toxics import PROGRAM
from emulator.waiting import wait_until
from emulator.worlds import World

pytestmark = pytest.mark.integration

STUDIES = f"http://{pacs_address(1)}:{DICOMWEB_PORT}/dicom-web/studies"
SHORT = "2s"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("cli")) as door:
        yield door


@pytest.fixture
def world(door: Door) -> Iterator[World]:
    """The world, whole before and after."""
    opened = World.open("two")
    yield opened
    opened.faults().end([fault.id for fault in opened.faults().on()])


def _json(door: Door, *words: str) -> Any:
    return json.loads(door(*words, "--json").stdout)


def _ping(world: World, site: str, size: int = 56, count: int = 1) -> bool:
    argv = ["ping", "-c", str(count), "-i", "0.05", "-W", "1", "-M", "do", "-s", str(size), "-q", HUB_ADDRESS]
    return world.output(f"{site}/worker", argv)[0] == 0


def _asked(world: World, within_s: float = 1.0) -> str:
    """What near's PACS says when it is asked for its studies: a status, or why there is none."""
    argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", str(within_s), STUDIES]
    code, printed = world.output("near/worker", argv)
    return printed if code == 0 else f"curl {code}"


def _studies(world: World) -> int:
    _, printed = world.output("near/worker", ["curl", "-s", STUDIES])
    return len(json.loads(printed))


def _soon(holds: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    wait_until(holds, within_s=within_s, what=what)


def _logged(world: World, name: str) -> list[str]:
    return [event["event"] for event in events.read(world.folder) if event.get("id") == name]


def test_a_link_that_is_down_carries_nothing_and_then_all_again_and_both_are_logged(door: Door, world: World) -> None:
    begun = _json(door, "fault", "link-down", "--on", "near", "--for", "10s")
    assert (begun["fault"], begun["on"], begun["for_s"]) == ("link-down", ["near"], 10.0)
    assert not _ping(world, "near")
    assert _ping(world, "far")
    (listed,) = _json(door, "fault", "--list")["faults"]
    assert listed["id"] == begun["id"]
    assert 0 <= listed["left_s"] < 10
    _soon(lambda: _ping(world, "near"), "the link again")
    assert _logged(world, begun["id"]) == ["fault-started", "fault-ended"]
    assert not _json(door, "fault", "--list")["faults"]
    assert world.refused()["near"].packets == 0


def test_a_fault_ends_though_the_command_and_the_agent_were_killed(door: Door, world: World) -> None:
    command = door.start("fault", "link-down", "--on", "near", "--for", "8s")
    _soon(lambda: any(fault.is_on for fault in world.faults().on()), "the fault")
    command.send_signal(signal.SIGKILL)
    command.wait()
    pids = Path(f"/proc/{world.record.init_pid}/task/{world.record.init_pid}/children").read_text().split()
    agent = next(pid for pid in pids if Path(f"/proc/{pid}/cmdline").read_bytes().find(b"start.py") >= 0)
    os.kill(int(agent), signal.SIGKILL)
    (fault,) = world.faults().on()
    _soon(lambda: _answers(world), "another agent")
    assert not _ping(world, "near")
    _soon(lambda: _ping(world, "near"), "the link again")
    assert _logged(world, fault.id) == ["fault-started", "fault-ended"]
    _soon(lambda: not world.faults().on(), "the end of the fault")


def _answers(world: World) -> bool:
    try:
        return world.output("wan", ["true"])[0] == 0
    except (Fell, WrongState):
        return False


def test_a_pacs_that_is_stopped_takes_connections_and_answers_them_after_its_end(door: Door, world: World) -> None:
    assert _asked(world) == "200"
    door("fault", "pacs-stopped", "--on", "near", "--for", SHORT)
    with world.connect("near/worker", pacs_address(1), DICOMWEB_PORT):
        assert _asked(world, 0.5) == "curl 28"  # timed out
    assert _asked(world, 20) == "200"


def test_two_faults_on_one_process_are_refused_and_the_first_goes_on(door: Door, world: World) -> None:
    first = _json(door, "fault", "pacs-stopped", "--on", "near", "--for", "60s")
    refused = door("fault", "pacs-killed", "--on", "near", code=4)
    assert f"pacs-stopped ({first['id']}) has hold of the PACS's process of near" in refused.stderr
    assert _asked(world, 0.5) == "curl 28"
    assert f"ended: {first['id']}" in door("fault", "--end", first["id"]).stdout
    assert _asked(world) == "200"


def test_a_pacs_that_is_killed_refuses_and_comes_back_with_its_studies(door: Door, world: World) -> None:
    before = _studies(world)
    door("fault", "pacs-killed", "--on", "near", "--for", SHORT)
    assert _asked(world) == "curl 7"  # connection refused
    _soon(lambda: _asked(world) == "200", "the PACS again")
    assert _studies(world) == before == 6


def test_a_pacs_that_is_slow_answers_later_than_it_did(door: Door, world: World) -> None:
    def took_s() -> float:
        began = time.monotonic()
        for _ in range(5):
            assert _asked(world, 20) == "200"
        return time.monotonic() - began

    usual_s = took_s()
    door("fault", "pacs-slow", "--on", "near", "--for", "60s", "--set", "share=5%")
    assert took_s() > usual_s + 0.2
    door("fault", "--end", "all")
    assert took_s() < 2 * usual_s + 0.2


def test_a_pacs_that_restarts_empty_has_no_study_until_its_own_disk_is_back(door: Door, world: World) -> None:
    door("fault", "pacs-restarted-empty", "--on", "near", "--for", "60s")
    _soon(lambda: _asked(world) == "200", "the empty PACS")
    assert _studies(world) == 0
    door("fault", "--end", "all")
    _soon(lambda: _asked(world) == "200", "the PACS again")
    assert _studies(world) == 6


def _store(world: World) -> str:
    """Send near's PACS something new; its answer."""
    argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "--data-binary"]
    url = STUDIES.replace("/dicom-web/studies", "/tools/create-dicom")
    body = json.dumps({"Tags": {"PatientID": str(time.monotonic()), "Modality": "MR"}, "Content": ""})
    return world.output("near/worker", [*argv, body, url])[1]


def test_a_pacs_whose_disk_is_full_has_what_it_had_and_takes_nothing_more(door: Door, world: World) -> None:
    door("fault", "pacs-disk-full", "--on", "near", "--for", "60s")
    _soon(lambda: _asked(world) == "200", "the PACS on its full disk")
    assert _studies(world) == 6
    assert _store(world) != "200"
    door("fault", "--end", "all")
    _soon(lambda: _asked(world) == "200", "the PACS again")
    assert _studies(world) == 6


def test_a_pacs_whose_database_is_damaged_gives_no_studies_until_its_own_is_back(door: Door, world: World) -> None:
    door("fault", "pacs-database-damaged", "--on", "near", "--for", "60s")
    time.sleep(1)
    assert _asked(world) != "200"
    door("fault", "--end", "all")
    _soon(lambda: _asked(world) == "200", "the PACS again")
    assert _studies(world) == 6


def test_a_pacs_whose_clock_is_wrong_says_another_time_until_the_end(door: Door, world: World) -> None:
    def ahead_s() -> float:
        _, printed = world.output("near/worker", ["curl", "-s", STUDIES.replace("/dicom-web/studies", "/tools/now")])
        said = datetime.datetime.strptime(printed, "%Y%m%dT%H%M%S").replace(tzinfo=datetime.UTC)
        return (said - datetime.datetime.now(datetime.UTC)).total_seconds()

    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed: ./dev install --tests does it")
    assert ahead_s() == pytest.approx(0, abs=5)
    door("fault", "clock-skew", "--on", "near", "--for", "60s", "--set", "by=1440min", "--set", "way=behind")
    _soon(lambda: _asked(world) == "200", "the PACS with another clock")
    assert ahead_s() == pytest.approx(-86_400, abs=5)
    door("fault", "--end", "all")
    _soon(lambda: _asked(world) == "200", "the PACS again")
    assert ahead_s() == pytest.approx(0, abs=5)


def test_a_link_that_is_degraded_has_the_values_of_the_fault_over_those_by_hand(door: Door, world: World) -> None:
    door("link", "near", "--rate", "20mbit")
    door(
        "fault",
        "link-degrade",
        "--on",
        "near",
        "--for",
        SHORT,
        "--set",
        "rtt=300ms",
        "--set",
        "loss={mean: 1%, burst: 4}",
    )
    worse = world.links()["near"]
    assert (worse.up.rate_bps, worse.up.delay_s, worse.up.loss) == (20_000_000, 0.15, pytest.approx(0.01))
    _, printed = world.output("near/worker", ["ping", "-c", "5", "-i", "0.05", "-q", HUB_ADDRESS])
    found = re.search(r"= ([\d.]+)/", printed)
    assert found
    assert 299 < float(found[1]) < 400
    _soon(lambda: world.links()["near"].up.delay_s < 0.1, "the usual delay")
    assert world.links()["near"].up.rate_bps == 20_000_000
    door("link", "near", "--reset")


def test_a_link_that_flaps_is_down_and_up_by_turns(door: Door, world: World) -> None:
    door("fault", "link-flap", "--on", "far", "--for", "60s", "--set", "down=1s", "--set", "up=1s")
    seen: list[bool] = []
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        argv = ["ping", "-c", "1", "-W", "0.2", "-q", HUB_ADDRESS]
        there = world.output("far/worker", argv)[0] == 0
        seen += [there] if not seen or seen[-1] != there else []
        time.sleep(0.1)
    assert seen[0] is False
    assert len(seen) >= 4, seen
    door("fault", "--end", "all")
    assert _ping(world, "far")


def test_one_direction_can_be_lost_alone(door: Door, world: World) -> None:
    door("fault", "one-way-link", "--on", "near", "--for", "60s", "--set", "lost=down")
    counted = _counters(world)
    assert not _ping(world, "near", count=5)
    assert _counters(world) - counted >= 5  # they did arrive at the hub
    door("fault", "--end", "all")
    assert _ping(world, "near")


def _counters(world: World) -> int:
    """Echo requests that have come to the hub."""
    _, printed = world.output("hub", ["cat", "/proc/net/snmp"])
    names, values = (line.split() for line in printed.splitlines() if line.startswith("Icmp:"))
    return int(values[names.index("InEchos")])


def test_large_packets_vanish_in_a_black_hole_and_small_ones_do_not(door: Door, world: World) -> None:
    assert _ping(world, "near", 1400)
    door("fault", "mtu-black-hole", "--on", "near", "--for", "60s", "--set", "mtu=1300")
    assert not _ping(world, "near", 1400)
    assert _ping(world, "near", 1000)
    door("fault", "--end", "all")
    assert _ping(world, "near", 1400)


def test_a_partition_cuts_its_sites_off_from_the_hub_and_no_others(door: Door, world: World) -> None:
    door("fault", "partition", "--on", "near", "--on", "far", "--for", "60s")
    assert not _ping(world, "near")
    assert not _ping(world, "far")
    door("fault", "--end", "all")
    door("fault", "partition", "--on", "near", "--on", "hub", "--for", "60s")
    assert _ping(world, "near")
    assert not _ping(world, "far")


def test_names_that_are_gone_cannot_be_looked_up_and_then_can_again(door: Door, world: World) -> None:
    assert world.output("far/worker", ["getent", "hosts", "pacs.near"])[0] == 0
    door("fault", "name-gone", "--on", "near", "--for", "60s")
    assert world.output("far/worker", ["getent", "hosts", "pacs.near"])[0] != 0
    assert world.output("far/worker", ["getent", "hosts", "pacs.far"])[0] == 0
    door("fault", "--end", "all")
    assert world.output("far/worker", ["getent", "hosts", "pacs.near"])[0] == 0


HUB = """
import socketserver

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(100):
            self.request.sendall(data)

socketserver.ThreadingTCPServer(("", {port}), Echo).serve_forever()
"""


def test_a_connection_that_is_silent_too_long_is_dead_and_a_new_one_is_not(door: Door, world: World) -> None:
    nothing = {"stdin": -3, "stdout": -3, "stderr": -3}  # subprocess.DEVNULL
    hub = world.run("hub", ["python3", "-c", HUB.format(port=PROBE_PORTS[0])], **nothing)  # type: ignore[arg-type]  # each a stream
    try:
        _soon(lambda: _connects(world), "a hub that echoes")
        with world.connect("near/worker", HUB_ADDRESS, PROBE_PORTS[0]) as old:
            old.settimeout(3)
            assert _echo(old)
            door("fault", "idle-timeout", "--on", "near", "--for", "60s", "--set", "after=1s")
            assert _echo(old)  # seen, and alive
            time.sleep(1.5)
            with pytest.raises(TimeoutError):
                _echo(old)
        with world.connect("near/worker", HUB_ADDRESS, PROBE_PORTS[0]) as new:
            new.settimeout(3)
            assert _echo(new)
    finally:
        hub.signal(signal.SIGKILL)
        hub.wait()


def _connects(world: World) -> bool:
    try:
        world.connect("near/worker", HUB_ADDRESS, PROBE_PORTS[0]).close()
    except Fell:
        return False
    return True


def _echo(connection: socket.socket) -> bool:
    connection.sendall(b"x")
    return connection.recv(1) == b"x"


SCENARIO = """
name: rough
about: a link that is down as updates begin, a worker that dies, a PACS that hangs
faults:
  - {at: round 1 update, on: near, fault: link-down, for: 3s}
  - {at: round 2 train, on: far, fault: worker-killed}
  - {at: every round, on: far, chance: 0%, fault: link-down, for: 60s}
  - {at: round 3 update 1kB, on: near, fault: link-degrade, rtt: 400ms, for: 20s}
"""


def test_a_training_goes_through_its_scenario_and_its_record_says_what_happened(
    door: Door, world: World, tmp_path: Path
) -> None:
    (tmp_path / "rough.yaml").write_text(SCENARIO)
    found = _json(door, "train", "--scenario", str(tmp_path / "rough.yaml"), "--rounds", "3")
    first, second, third = found["rounds"]
    assert first["participants"] == third["participants"] == ["far", "near"]
    assert first["emulated_s"] > 3  # near's update waited for its link
    assert second["participants"] == ["near"]
    assert "SIGKILL" in second["missing"]["far"]
    told = [(fault["round"], fault["fault"], fault["on"], fault["trigger"]) for fault in found["faults"]]
    assert told == [
        (1, "link-down", ["near"], "round 1 update"),
        (2, "worker-killed", ["far"], "round 2 train"),
        (3, "link-degrade", ["near"], "round 3 update 1000 B"),
    ]
    assert not any(fault["refused"] for fault in found["faults"])
    log = (door.home / "runs" / found["run"] / "events.jsonl").read_text().splitlines()
    started = [event for event in map(json.loads, log) if event["event"] == "fault-started" and "entry" in event]
    assert [event["entry"] for event in started] == [0, 1, 3]
    assert not world.faults().on()  # the last one would have gone on for longer than the run
    shown = door("show", found["run"]).stdout
    assert "(round 1 update) link-down on near for 3.0 s" in shown
    door("report", found["run"], "-o", str(tmp_path / "report.html"))
    assert "What was broken on purpose" in (tmp_path / "report.html").read_text()


def test_a_hub_that_is_killed_goes_on_by_resume_and_is_not_killed_again(
    door: Door, world: World, tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text("name: s\nfaults: [{at: round 2 update, on: hub, fault: hub-killed}]\n")
    killed = door("train", "--scenario", str(tmp_path / "s.yaml"), "--rounds", "2", code=4)
    assert "the hub was ended by SIGKILL" in killed.stderr
    found = re.search(r"--resume (\S+)", killed.stderr)
    assert found
    resumed = _json(door, "train", "--resume", found[1])
    assert resumed["state"] == "done"
    assert [entry["participants"] for entry in resumed["rounds"]] == [["far", "near"]] * 2
    assert [(fault["fault"], fault["round"]) for fault in resumed["faults"]] == [("hub-killed", 2)]
    calm = _json(door, "train", "--rounds", "2")
    assert calm["model_sha256"] == resumed["model_sha256"]


OF_PROCESSES = """
name: processes
faults:
  - {at: round 1 pull, on: far, fault: worker-out-of-memory, for: 300ms}
  - {at: round 10 update, on: hub, fault: hub-disk-full, for: 60s}
"""


STATE = """
here=$(readlink /proc/self/ns/net)
for process in /proc/[0-9]*; do
  [ "$(readlink $process/ns/net)" = "$here" ] && [ "$(cat $process/comm)" = "$0" ] && grep ^State $process/status
done
true
"""


def _stands_still(world: World, place: str, name: str) -> bool:
    """Whether the trainer's process there is stopped by a signal."""
    _, printed = world.output(place, ["sh", "-c", STATE, name])
    assert printed.startswith("State:"), f"no {name} at {place}: {printed}"
    return "stopped" in printed


def test_workers_and_hub_can_be_stopped_slowed_and_run_out_of_memory_and_disk(
    door: Door, world: World, tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(OF_PROCESSES)
    training = door.start("train", "--scenario", str(tmp_path / "s.yaml"), "--rounds", "10")
    assert training.stderr is not None
    for line in training.stderr:
        if "round 1 of 10" in line:
            break
    for fault, on, place, name in (
        ("worker-stopped", "near", "near/worker", WORKER_PROCESS),
        ("hub-stopped", "hub", "hub", HUB_PROCESS),
    ):
        begun = world.faults().begin(fault, [on], {}, 60.0)
        assert _stands_still(world, place, name)
        world.faults().end([begun])
        assert not _stands_still(world, place, name)
    begun = world.faults().begin("worker-slow", ["near"], {"share": "50%"}, 60.0)
    states: set[bool] = set()
    deadline = time.monotonic() + 20
    while len(states) < 2 and time.monotonic() < deadline:
        states.add(_stands_still(world, "near/worker", WORKER_PROCESS))
    world.faults().end([begun])
    assert states == {True, False}
    assert not _stands_still(world, "near/worker", WORKER_PROCESS)
    _, said = training.communicate(timeout=170)
    assert training.returncode == 1, said
    assert "the hub can't go on: " in said, said
    found = re.search(r"--resume (\S+)", said)
    assert found
    resumed = _json(door, "train", "--resume", found[1])
    assert resumed["state"] == "done"
    first, *later = resumed["rounds"]
    assert "memory" in first["missing"]["far"].lower(), first
    assert later[-1]["participants"] == ["far", "near"]
    assert not world.faults().on()


def test_what_is_wrong_is_said_and_nothing_is_changed(door: Door, world: World) -> None:
    for words, told in (
        (("link-dwn", "--on", "near"), "no fault is called 'link-dwn'; did you mean 'link-down'?"),
        (("link-down", "--on", "naer"), "--on naer: no site of this world; did you mean 'near'?"),
        (("link-down", "--on", "near", "--for", "3"), "--for: found '3'; the unit is missing"),
        (("worker-killed", "--on", "near", "--for", "3s"), "'worker-killed' is over at once; leave it out"),
        (("pacs-stopped", "--on", "hub"), "--on hub: 'pacs-stopped' can be at a site only"),
        (("link-down", "--on", "near", "--set", "wya=up"), "'link-down' has no such setting; did you mean 'way'?"),
        (("link-down", "--on", "near", "--set", "way=upp"), "found 'upp'; expected 'both', 'up' or 'down'"),
        (("link-degrade", "--on", "near", "--set", "loss=5"), "--set loss: found '5'"),
    ):
        assert told in door("fault", *words, code=2).stderr
    assert "no worker runs at near" in door("fault", "worker-killed", "--on", "near", code=4).stderr
    assert not world.faults().on()
    assert _ping(world, "near")


def test_a_toxic_comes_and_goes_like_any_fault(door: Door, world: World) -> None:
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not on the PATH: ./dev install --tests builds it")
    words = ("--set", "service=dicomweb", "--set", "toxic=latency", "--set", "latency=700ms")
    door("fault", "toxic", "--on", "near", "--for", "60s", *words)
    began = time.monotonic()
    assert _asked(world, 20) == "200"
    assert time.monotonic() - began > 0.7
    door("fault", "--end", "all")
    began = time.monotonic()
    assert _asked(world, 20) == "200"
    assert time.monotonic() - began < 0.7
    wrong = door("fault", "toxic", "--on", "near", *words[:-1], "latency=700", code=2)
    assert "a duration from 0ms to 10min" in wrong.stderr


def test_a_pacs_answers_with_errors_as_often_as_it_is_asked_to(door: Door, world: World) -> None:
    door("fault", "pacs-errors", "--on", "near", "--for", "60s", "--set", "status=500")
    assert [_asked(world) for _ in range(3)] == ["500"] * 3
    door("fault", "--end", "all")
    assert _asked(world) == "200"
    door("fault", "pacs-errors", "--on", "near", "--for", "60s", "--set", "share=50%")
    assert {_asked(world) for _ in range(30)} == {"200", "503"}
    door("fault", "--end", "all")
    assert [_asked(world) for _ in range(3)] == ["200"] * 3


def test_up_ends_every_fault_and_changes_nothing_else(door: Door, world: World) -> None:
    door("fault", "link-down", "--on", "near", "--for", "60s")
    door("fault", "link-degrade", "--on", "far", "--for", "60s", "--set", "loss=50%")
    door("up", str(door.topology))
    assert not world.faults().on()
    assert _ping(world, "near")
    assert world.links()["far"] == world.topology.sites[1].link


def test_the_kinds_are_listed_with_their_settings(door: Door) -> None:
    kinds = {kind["name"]: kind for kind in _json(door, "fault", "--kinds")["faults"]}
    assert "mtu" in kinds["mtu-black-hole"]["settings"]
    assert kinds["worker-killed"]["lasts"] is False
    assert "mtu-black-hole" in door("fault", "--kinds").stdout
