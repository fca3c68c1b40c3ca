"""Guests that come from one: each is itself, can be handled, and what befalls it is seen and made good."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from door import Door
from vms import ask, door_with_cache, qemus, status

from emulator.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.vm, pytest.mark.timeout(600)]

COUNT = 10


def _topology(count: int) -> str:
    return f"""
name: clones
seed: 5
defaults: {{cohort: {{studies: 1, modalities: [mr], storage: multi-frame}}}}
sites:
  - {{group: vm, count: {count}, machine: vm}}
training: {{rounds: 1}}
"""


SITES = [f"vm-{number:02d}" for number in range(1, COUNT + 1)]
WHO = (
    "cat /sys/class/net/eth0/address; ip -4 -o address show dev eth0 | tr -s ' ' | cut -d ' ' -f 4; hostname;"
    "cat /etc/machine-id; cut -d ' ' -f 2 /etc/ssh/ssh_host_ed25519_key.pub; head -c 16 /dev/urandom | od -An -tx1;"
    "cat /proc/sys/kernel/random/uuid; openssl genpkey -algorithm ed25519 | tail -n +2 | head -n 1; date +%s"
)

WHAT = ("MAC", "address", "host name", "machine-id", "SSH host key", "random bytes", "UUID", "TLS key")
"""What `WHO` prints a line each of; a clock follows."""

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: a mark for later
      ansible.builtin.command: {cmd: touch /root/mark, creates: /root/mark}
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, guest_cache: Path) -> Iterator[Door]:
    opened = door_with_cache(tmp_path_factory.mktemp("clones"), guest_cache, _topology(COUNT))
    opened("up", str(opened.topology))
    yield opened
    opened("down", "--all")
    assert qemus(opened) == {}


@pytest.fixture(scope="module")
def pair(door: Door) -> str:
    """A topology of two more guests, whose sites are called as two of the ten."""
    path = door.topology.with_name("pair.yaml")
    path.write_text(_topology(2))
    return str(path)


def _up(door: Door) -> None:
    door("up", str(door.topology))


def _states(door: Door) -> dict[str, str]:
    return {name: site["state"] for name, site in status(door, "clones").items()}


def test_no_two_of_ten_share_what_tells_them_apart(door: Door) -> None:
    said, late = {}, {}
    for name in SITES:
        said[name] = ask(door, name, WHO).split("\n")
        late[name] = abs(time.time() - int(said[name][len(WHAT)]))
    for number, label in enumerate(WHAT):
        assert len({lines[number] for lines in said.values()}) == COUNT, label
    assert max(late.values()) < 30


def test_whatever_ends_a_guest_or_its_archive_is_said_and_one_up_makes_all_good(door: Door) -> None:
    os.kill(qemus(door)["vm-03"], signal.SIGKILL)
    door("machine", "vm-04", "power-cut")
    door("machine", "vm-06", "crash")
    gone = {"vm-03", "vm-04", "vm-06"}
    wait_until(lambda: not gone & qemus(door).keys(), within_s=30, what="the end of three guests")
    assert "panic" in door("console", "vm-06").stdout.lower()
    ask(door, "vm-09", "kill -KILL $(cat /run/pacs/pid)")
    wait_until(lambda: "ended with 137" in door("console", "vm-09").stdout, within_s=30, what="an archive's end")
    assert {name for name, state in _states(door).items() if state == "fallen"} == gone | {"vm-09"}
    _up(door)
    assert set(_states(door).values()) == {"up"}


def test_guests_outlive_their_libvirtd_which_comes_back_to_them(door: Door) -> None:
    before = qemus(door)
    daemon = next(p for p in psutil.process_iter(["name"]) if p.info["name"] == "libvirtd" and _of(p, door))
    daemon.kill()
    assert set(_states(door).values()) == {"up"}
    door("machine", "vm-01", "pause")
    door("machine", "vm-01", "resume")
    assert qemus(door) == before
    listed = door("virsh", "clones", "--", "list", "--name").stdout.split()
    assert sorted(listed) == SITES


def _of(process: psutil.Process, door: Door) -> bool:
    """A daemon's working directory is its world's."""
    try:
        return str(door.home) in process.cwd()
    except psutil.Error:
        return False


def test_a_guest_goes_back_to_the_moment_that_was_kept(door: Door) -> None:
    ask(door, "vm-05", "echo before > /run/disk/mark; echo before > /run/mark; sync")
    door("machine", "vm-05", "snapshot")
    ask(door, "vm-05", "echo after > /run/disk/mark; echo after > /run/mark; sync")
    door("machine", "vm-05", "roll-back")
    assert ask(door, "vm-05", "cat /run/disk/mark /run/mark").split() == ["before", "before"]
    assert _states(door)["vm-05"] == "up"


def test_a_reboot_keeps_what_the_archive_has_stored(door: Door) -> None:
    ask(door, "vm-07", "echo kept > /run/disk/mark")
    door("machine", "vm-07", "reboot")
    wait_until(lambda: _states(door)["vm-07"] == "up", within_s=30, what="the archive of a guest")
    assert ask(door, "vm-07", "cat /run/disk/mark") == "kept\n"


def test_the_last_lines_of_an_archive_are_to_be_had(door: Door) -> None:
    assert "Orthanc" in door("logs", "vm-01").stdout


def test_a_playbook_configures_guests_and_names_one_that_does_not_answer(door: Door, tmp_path: Path) -> None:
    (tmp_path / "mark.yml").write_text(PLAYBOOK)
    door("machine", "vm-08", "pause")
    try:
        limit = ("--limit", "vm-01", "--limit", "vm-08")
        told = json.loads(door("configure", str(tmp_path / "mark.yml"), *limit, "--json", code=1).stdout)
    finally:
        door("machine", "vm-08", "resume")
    assert {host["site"]: (host["ok"], host["changed"]) for host in told["hosts"]} == {
        "vm-01": (True, 1),
        "vm-08": (False, 0),
    }
    assert "vm-08" in next(host["why"] for host in told["hosts"] if not host["ok"])
    assert ask(door, "vm-01", "ls /root/mark") == "/root/mark\n"
    assert list(Path(told["artefacts"]).glob("artifacts/*/stdout"))


def test_anybodys_ansible_reaches_guests_by_the_inventory(door: Door, tmp_path: Path) -> None:
    (tmp_path / "hosts.json").write_text(door("inventory").stdout)
    ansible = [str(Path(sys.executable).with_name("ansible")), "-i", "hosts.json", "vm", "--limit", "vm-01"]
    words = [*ansible, "-m", "ansible.builtin.raw", "-a", "hostname"]
    own = {**os.environ, "ANSIBLE_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    told = subprocess.run(words, cwd=tmp_path, env=own, capture_output=True, text=True, timeout=120, check=True)
    assert "vm-01" in told.stdout.splitlines()


def test_two_worlds_of_guests_do_not_meet_and_down_is_quick(door: Door, pair: str) -> None:
    door("up", pair, "--name", "second")
    assert all(site["pacs"]["answers"] for site in status(door, "second").values())
    began = time.monotonic()
    door("down", "second")
    assert time.monotonic() - began < 15  # five on a machine that does nothing else
    assert set(_states(door).values()) == {"up"}


def test_an_up_that_is_killed_among_its_guests_leaves_none(door: Door, pair: str) -> None:
    up = door.start("up", pair, "--name", "killed")
    wait_until(lambda: bool(qemus(door, "killed")), within_s=120, what="a first guest")
    up.kill()
    up.communicate()
    door("down", "killed")
    wait_until(lambda: not qemus(door, "killed"), within_s=30, what="the end of a killed world's guests")
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
    assert not [link for link in links if link["ifname"].startswith("t") and link["ifname"][1:].isdigit()]
