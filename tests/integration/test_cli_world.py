"""The command line over a real world of two small sites, typed as a user types it."""

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from door import TOPOLOGY, Door

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """A home in which no world is up."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "two.yaml").write_text(TOPOLOGY)
    return Door(folder / "home", folder / "two.yaml")


@pytest.fixture(scope="module")
def door(closed: Door) -> Iterator[Door]:
    """A home in which the world `two` is up."""
    closed("up", str(closed.topology))
    yield closed
    closed("down", "--all")


def test_status_shows_every_site_with_what_its_pacs_answers(door: Door) -> None:
    found = json.loads(door("status", "--json").stdout)
    assert (found["world"], found["state"]) == ("two", "up")
    assert found["wan"]["kernel"] in ("host", "uml", "plain")
    assert found["memory_bytes"] > 1e7
    assert [site["name"] for site in found["sites"]] == ["near", "far"]
    for site in found["sites"]:
        assert site["state"] == "up"
        assert site["pacs"]["answers"] is True
        assert (site["pacs"]["flavour"], site["pacs"]["studies"], site["pacs"]["instances"]) == ("orthanc", 6, 12)
        assert re.fullmatch(r"[\d.]+", site["pacs"]["version"])
    far = found["sites"][1]["link"]
    assert far["profile"] == "vdsl"
    assert far["down"].keys() >= {"rate_bps", "delay_s", "jitter_s", "loss"}
    assert far["down"]["rate_bps"] > far["up"]["rate_bps"] > 0


def test_up_on_a_world_that_is_unchanged_does_nothing_and_quickly(door: Door) -> None:
    before = json.loads(door("ls", "--json").stdout)
    began = time.monotonic()
    door("up", str(door.topology))
    assert time.monotonic() - began < 10  # half of a second's work; to bake and bring it up takes 12 s and more
    assert json.loads(door("ls", "--json").stdout) == before
    assert "nothing to do" in door("up", str(door.topology), "--plan").stdout


def test_a_changed_topology_is_planned_and_then_made_by_the_difference(door: Door, tmp_path: Path) -> None:
    changed = tmp_path / "two.yaml"
    changed.write_text(TOPOLOGY.replace("link: vdsl", "link: adsl"))
    plan = json.loads(door("up", str(changed), "--plan", "--json").stdout)
    assert plan["changes"]["relink"] == ["far"]
    assert not (plan["changes"]["add"])
    assert not (plan["changes"]["remove"])
    assert not (plan["changes"]["restart"])
    assert not (plan["bake"])
    init = json.loads(door("ls", "--json").stdout)["worlds"][0]["pid"]
    door("up", str(changed))
    assert json.loads(door("status", "--json").stdout)["sites"][1]["link"]["profile"] == "adsl"
    door("up", str(door.topology))
    assert json.loads(door("ls", "--json").stdout)["worlds"][0]["pid"] == init


def test_exec_runs_at_its_place_and_ends_with_the_commands_exit_code(door: Door) -> None:
    assert "10.0.2.3" in door("exec", "two", "far/worker", "--", "ip", "-4", "-br", "address").stdout
    assert "10.0.2.2" in door("exec", "far/pacs", "--", "ip", "-4", "-br", "address").stdout
    door("exec", "hub", "--", "sh", "-c", "exit 7", code=7)
    door("exec", "hub", "--", "sh", "-c", "kill -9 $$", code=128 + signal.SIGKILL)


def test_a_place_that_is_not_there_is_answered_with_the_nearest(door: Door) -> None:
    assert "did you mean 'near/pacs'" in door("exec", "nera/pacs", "--", "true", code=2).stderr


def test_open_forwards_a_pacs_until_ctrl_c(door: Door) -> None:
    opened = door.start("open", "near/pacs", "--json")
    try:
        assert opened.stderr is not None
        told = opened.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", told)
        assert address, told
        assert httpx.get(f"{address[0]}system").json()["Name"] == "near"
    finally:
        opened.send_signal(signal.SIGINT)
        out, _ = opened.communicate(timeout=20)
    assert opened.returncode == 130
    assert json.loads(out)["url"] == address[0]


def test_open_on_a_port_that_is_taken_says_so(door: Door) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} of 127.0.0.1 is taken" in door("open", "near", "--port", port, code=2).stderr


def test_places_are_completed_from_the_world_that_is_up(door: Door) -> None:
    env = {**door.env, "_TESTBED_COMPLETE": "bash_complete", "COMP_WORDS": "testbed exec two fa", "COMP_CWORD": "3"}
    offered = subprocess.run(door.argv(), env=env, capture_output=True, text=True, timeout=30, check=True).stdout
    assert offered.split() == ["plain,far", "plain,far/pacs", "plain,far/worker"]


def test_a_run_is_recorded_shown_and_reported_and_one_seed_gives_one_model(door: Door, tmp_path: Path) -> None:
    first = json.loads(door("train", "--json").stdout)
    assert first["state"] == "done"
    assert [entry["round"] for entry in first["rounds"]] == [1, 2]
    assert all(entry["participants"] == ["far", "near"] and not entry["missing"] for entry in first["rounds"])
    second = door("train").stdout.strip()
    assert json.loads(door("show", second, "--json").stdout)["model_sha256"] == first["model_sha256"]
    cost = json.loads(door("cost", first["run"], "--json").stdout)
    counts = [c for entry in cost["rounds"] for site in entry["sites"].values() for c in site.values()]
    assert cost["total_wire_bytes"] == sum(c["rx_wire"] + c["tx_wire"] for c in counts) > 0
    assert (
        cost["rounds"][0]["sites"]["far"]["pull"]["rx_payload"]
        > cost["rounds"][1]["sites"]["far"]["pull"]["rx_payload"]
    )
    page = tmp_path / "compared.html"
    door("report", first["run"], second, "-o", str(page))
    assert page.read_text().count("<svg") == 4


def test_an_interrupted_training_is_resumed_to_the_same_model(door: Door) -> None:
    whole = json.loads(door("train", "--rounds", "4", "--json").stdout)
    training = door.start("train", "--rounds", "4")
    assert training.stderr is not None
    for line in training.stderr:
        if line.startswith("round 1 of 4"):
            break
    training.send_signal(signal.SIGINT)
    _, said = training.communicate(timeout=60)
    assert training.returncode == 130
    found = re.search(r"testbed train --resume (\S+)", said)
    assert found, said
    assert json.loads(door("show", found[1], "--json").stdout)["state"] == "interrupted"
    resumed = json.loads(door("train", "--resume", found[1], "--json").stdout)
    assert resumed["state"] == "done"
    assert resumed["model_sha256"] == whole["model_sha256"]


def test_two_worlds_of_one_topology_may_be_up_and_then_a_world_must_be_named(door: Door) -> None:
    door("up", str(door.topology), "--name", "other")
    try:
        assert "several worlds are up (other, two)" in door("status", code=4).stderr
        assert json.loads(door("status", "other", "--json").stdout)["state"] == "up"
        door("down", code=4)
    finally:
        door("down", "other")


def test_an_interrupted_up_takes_away_what_it_made(door: Door) -> None:
    bringing = door.start("up", str(door.topology), "--name", "brief")
    assert bringing.stderr is not None
    bringing.stderr.readline()
    bringing.send_signal(signal.SIGINT)
    bringing.communicate(timeout=60)
    assert bringing.returncode == 130
    assert "brief" not in [world["name"] for world in json.loads(door("ls", "--json").stdout)["worlds"]]


def test_the_demo_does_the_whole_job_and_leaves_nothing_up(closed: Door) -> None:
    alone = Door(closed.home.parent / "demo-home", closed.topology)
    out = alone("demo", "--topology", str(alone.topology), "--rounds", "1").stdout
    page = re.search(r"report: (\S+)", out)
    assert page
    assert Path(page[1]).stat().st_size > 50_000
    assert json.loads(alone("ls", "--json").stdout) == {"worlds": []}


def test_a_topology_with_mistakes_is_refused_with_all_of_them_at_once(closed: Door, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TOPOLOGY.replace("link: vdsl", "link: vdls").replace("seed: 3", "seed: -1"))
    ended = closed("up", str(wrong), code=2)
    assert re.search(r"wrong\.yaml:3:\d+: ", ended.stderr)
    assert re.search(r"wrong\.yaml:6:\d+: .*vdsl", ended.stderr)
    assert json.loads(closed("validate", str(wrong), "--json", code=2).stdout)["valid"] is False


_ASK = ["curl", "-s", "-o", "/dev/null", "http://10.0.2.2:8042/dicom-web/studies"]


def test_a_capture_names_its_interfaces_and_tells_what_was_said(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "far.pcapng"
    capturing = door.start("capture", "far", "-o", str(file), "--for", "10", "--decode", "--json")
    _wait_for(file.exists)
    door("exec", "far/worker", "--", *_ASK)
    door("exec", "far/worker", "--", "echoscu", "10.0.2.2", "4242")
    told, decoded = capturing.communicate(timeout=60)
    assert json.loads(told)["bytes"] == file.stat().st_size
    assert re.search(r"10\.0\.2\.3\s+10\.0\.2\.2\s+GET\s+/dicom-web/studies", decoded)
    assert "C-ECHO-RSP ID=1 (Success)" in decoded
    printed = subprocess.run(["capinfos", file], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"Name = (\S+)", printed)) == {"wan", "worker", "pacs"}
    assert "testbed world 'two', far" in printed


def test_ctrl_c_ends_a_capture_with_a_whole_file(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "worker.pcapng"
    capturing = door.start("capture", "far/worker", "-o", str(file))
    _wait_for(file.exists)
    door("exec", "far/worker", "--", *_ASK)
    _wait_for(lambda: b"GET /dicom-web/studies" in file.read_bytes())  # dumpcap writes what it holds once a second
    capturing.send_signal(signal.SIGINT)
    capturing.communicate(timeout=30)
    assert capturing.returncode == 0
    whole = ["tshark", "-r", str(file), "-d", "tcp.port==8042,http", "-Y", "http.request"]
    assert "GET /dicom-web/studies" in subprocess.run(whole, capture_output=True, text=True, check=True).stdout
    assert "is there already" in door("capture", "far/worker", "-o", str(file), code=2).stderr


def test_a_capture_that_is_killed_leaves_no_dumpcap_behind(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "killed.pcapng"
    capturing = door.start("capture", "far/worker", "-o", str(file))
    _wait_for(file.exists)
    capturing.kill()
    capturing.communicate(timeout=30)
    _wait_for(lambda: str(file) not in door("exec", "wan", "--", "ps", "-ewwo", "args").stdout)


def _wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
