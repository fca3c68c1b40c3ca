"""Guests that come from one: each is itself, can be handled, and what befalls it is seen and made good."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from door import Door
from vms import door_with_images, qemus, status

from emulator.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.vm, pytest.mark.timeout(600)]

COUNT = 10
TOPOLOGY = f"""
name: clones
seed: 5
defaults: {{cohort: {{studies: 1, modalities: [mr], storage: multi-frame}}}}
sites:
  - {{group: vm, count: {COUNT}, machine: vm}}
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


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Iterator[Door]:
    opened = door_with_images(tmp_path_factory.mktemp("clones"), images, TOPOLOGY)
    opened("up", str(opened.topology))
    yield opened
    opened("down", "--all")
    assert qemus(opened) == {}


def _up(door: Door) -> None:
    door("up", str(door.topology))


def _states(door: Door) -> dict[str, str]:
    return {name: site["state"] for name, site in status(door, "clones").items()}


def test_no_two_of_ten_share_what_tells_them_apart(door: Door) -> None:
    said, late = {}, {}
    for name in SITES:
        said[name] = door("exec", f"{name}/pacs", "--", "sh", "-c", WHO).stdout.split("\n")
        late[name] = abs(time.time() - int(said[name][len(WHAT)]))
    for number, label in enumerate(WHAT):
        assert len({lines[number] for lines in said.values()}) == COUNT, label
    assert max(late.values()) < 30


def test_a_killed_guest_is_said_and_made_good(door: Door) -> None:
    os.kill(qemus(door)["vm-03"], signal.SIGKILL)
    wait_until(lambda: "vm-03" not in qemus(door), within_s=10, what="the end of a guest")
    found = _states(door)
    assert found.pop("vm-03") == "fallen"
    assert set(found.values()) == {"up"}
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


def test_a_power_cut_takes_a_guest_and_leaves_its_disk(door: Door) -> None:
    door("machine", "vm-04", "power-cut")
    assert _states(door)["vm-04"] == "fallen"
    _up(door)
    assert _states(door)["vm-04"] == "up"


def test_a_guest_goes_back_to_the_moment_that_was_kept(door: Door) -> None:
    door("exec", "vm-05/pacs", "--", "sh", "-c", "echo before > /run/disk/mark; echo before > /run/mark; sync")
    door("machine", "vm-05", "snapshot")
    door("exec", "vm-05/pacs", "--", "sh", "-c", "echo after > /run/disk/mark; echo after > /run/mark; sync")
    door("machine", "vm-05", "roll-back")
    assert door("exec", "vm-05/pacs", "--", "cat", "/run/disk/mark", "/run/mark").stdout.split() == ["before", "before"]
    assert _states(door)["vm-05"] == "up"


def test_a_crashed_kernel_stays_down_until_up_and_its_console_says_why(door: Door) -> None:
    door("machine", "vm-06", "crash")
    wait_until(lambda: "vm-06" not in qemus(door), within_s=20, what="the end of a guest")
    assert "panic" in door("console", "vm-06").stdout.lower()
    _up(door)
    assert _states(door)["vm-06"] == "up"


def test_a_reboot_keeps_what_the_archive_has_stored(door: Door) -> None:
    door("exec", "vm-07/pacs", "--", "sh", "-c", "echo kept > /run/disk/mark")
    door("machine", "vm-07", "reboot")
    wait_until(lambda: _states(door)["vm-07"] == "up", within_s=30, what="the archive of a guest")
    assert door("exec", "vm-07/pacs", "--", "cat", "/run/disk/mark").stdout.strip() == "kept"


def test_the_last_lines_of_an_archive_are_to_be_had(door: Door) -> None:
    assert "Orthanc" in door("logs", "vm-01").stdout


def test_two_worlds_of_guests_do_not_meet_and_down_is_quick(door: Door) -> None:
    door("up", str(door.topology), "--name", "second")
    assert all(site["pacs"]["answers"] for site in status(door, "second").values())
    began = time.monotonic()
    door("down", "second")
    assert time.monotonic() - began < 15  # five on a machine that does nothing else
    assert set(_states(door).values()) == {"up"}


@pytest.mark.parametrize("moment_s", [1.5, 3.0])
def test_a_killed_up_leaves_no_guest(door: Door, moment_s: float) -> None:
    up = door.start("up", str(door.topology), "--name", "killed")
    time.sleep(moment_s)
    up.kill()
    up.communicate()
    wait_until(lambda: len(qemus(door)) <= COUNT, within_s=30, what="the end of a killed world's guests")
    door("down", "killed")
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
    assert not [link for link in links if link["ifname"].startswith("t") and link["ifname"][1:].isdigit()]
