"""What an image promises to whoever starts a guest from it; tried with QEMU alone."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from guests import Guest, booted
from image_builds import Build

from emulator.images import Image
from nodes.pacs import orthanc_settings
from nodes.pacs.orthanc_habits import OrthancHabits
from nodes.pacs.orthanc_release import Installed

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86 is not installed"),
]

SSH, ORTHANC = 22, 8042


@pytest.fixture(scope="module")
def guest(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with booted(image, tmp_path_factory.mktemp("guest"), SSH, ORTHANC) as guest:
        yield guest


def test_a_script_gives_its_exit_code_and_what_it_said(guest: Guest) -> None:
    with guest.channel() as channel:
        assert channel.ask("echo out; echo err >&2; exit 7") == (7, "out\nerr\n")
        assert channel.ask("kill -KILL $$")[0] == 128 + 9
        assert channel.ask("") == (0, "")


def test_of_much_that_is_said_the_end_is_kept(guest: Guest) -> None:
    with guest.channel() as channel:
        status, said = channel.ask("seq 1 50000")
    assert status == 0
    assert len(said) == 64 << 10
    assert said.endswith("49999\n50000\n")


def test_a_large_script_arrives_whole(guest: Guest) -> None:
    with guest.channel() as channel:
        assert channel.ask("wc -c <<'END'\n" + "x" * 300_000 + "\nEND\n") == (0, "300001\n")


def test_what_a_script_leaves_in_the_background_outlives_it(guest: Guest) -> None:
    with guest.channel() as channel:
        assert channel.ask("sleep 1000 & echo $! > /run/left")[0] == 0
        assert channel.ask("kill $(cat /run/left)") == (0, "")


def test_what_is_no_length_is_refused_and_the_next_script_runs(guest: Guest) -> None:
    with guest.channel() as channel:
        channel.socket.sendall(b"hello\n")
        status, said = channel.answer()
        assert (status, "expected a length" in said) == (125, True)
        assert channel.ask("echo on") == (0, "on\n")


def test_a_caller_that_leaves_takes_its_script_with_it_and_harms_no_later_one(guest: Guest) -> None:
    with guest.channel() as channel:
        channel.socket.sendall(b"11\nsleep 10000")
        time.sleep(1)
    with guest.channel() as channel:
        assert channel.ask("pidof sleep") == (1, "")
    with guest.channel() as channel:
        channel.socket.sendall(b"100\nhalf a scr")
    time.sleep(1)
    with guest.channel() as channel:
        assert channel.ask("echo whole") == (0, "whole\n")


def test_whoever_opens_a_held_file_waits_for_its_content(guest: Guest) -> None:
    with guest.channel() as channel:
        hold = "touch /run/settings; /usr/lib/testbed/hold /run/settings; cat /run/settings > /run/read &"
        assert channel.ask(hold) == (0, "held\n")
        assert channel.ask("sleep 0.5; ls /run/settings.wanted; cat /run/read") == (0, "/run/settings.wanted\n")
        assert channel.ask("echo mine > /run/settings.new; kill -USR1 $(cat /run/settings.holder)") == (0, "")
        assert channel.ask("sleep 0.5; cat /run/read; pidof hold") == (1, "mine\n")


def _key() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def _identity(**more: str) -> str:
    lines = {"ADDRESS": "10.0.2.15/24", "GATEWAY": "10.0.2.2", **more}
    text = "".join(f"{key}={value}\n" for key, value in lines.items())
    return f"/usr/lib/testbed/identify <<'END'\n{text}END\n"


def test_a_guest_becomes_who_it_is_told_to_be(guest: Guest) -> None:
    hosts = "127.0.0.1 localhost\n10.0.0.2 hub\n"
    told = _identity(
        MAC="02:00:00:00:12:34",
        HOSTNAME="lyon",
        MACHINE_ID="0123456789abcdef0123456789abcdef",
        CLOCK="2000000000.5",
        SEED="ab" * 64,
        HOSTS=base64.b64encode(hosts.encode()).decode(),
    )
    with guest.channel() as channel:
        assert channel.ask(told) == (0, "")
        assert channel.ask("hostname; cat /etc/hostname /etc/machine-id")[1].split() == [
            "lyon",
            "lyon",
            "0123456789abcdef0123456789abcdef",
        ]
        assert 0 <= int(channel.ask("date +%s")[1]) - 2_000_000_000 < 60
        assert channel.ask("cat /etc/hosts")[1] == hosts
        card = json.loads(channel.ask("ip -j address show eth0")[1])[0]
        assert card["address"] == "02:00:00:00:12:34"
        assert ("10.0.2.15", 24) in [(one["local"], one["prefixlen"]) for one in card["addr_info"]]
        route = channel.ask("ip route show default")[1]
        assert "via 10.0.2.2" in route
        assert "mtu 1500" in route


def test_an_impossible_identity_is_refused_by_name(guest: Guest) -> None:
    with guest.channel() as channel:
        status, said = channel.ask(_identity(MAC="no address"))
    assert (status, said) == (1, "testbed: MAC: Invalid argument\n")


def test_root_comes_in_by_the_key_that_was_given_and_by_no_other(guest: Guest, tmp_path: Path) -> None:
    host, host_public = _key()
    own, own_public = _key()
    told = _identity(HOST_KEY=base64.b64encode(host.encode()).decode(), HOST_PUB=host_public, AUTHORIZED_KEY=own_public)
    with guest.channel() as channel:
        assert channel.ask(told) == (0, "")
        assert channel.ask("/usr/lib/testbed/sshd && /usr/lib/testbed/sshd") == (0, "")
    address = f"[127.0.0.1]:{guest.ports[SSH]}"
    (tmp_path / "known").write_text(f"{address} {host_public}\n")
    for name, text in (("own", own), ("other", _key()[0])):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)

    def login(key: str) -> subprocess.CompletedProcess[str]:
        options = {"UserKnownHostsFile": str(tmp_path / "known"), "IdentitiesOnly": "yes", "BatchMode": "yes"}
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        argv = ["ssh", "-F", "none", *words, "-i", str(tmp_path / key), "-p", str(guest.ports[SSH]), "root@127.0.0.1"]
        return subprocess.run([*argv, "id -un"], capture_output=True, text=True, timeout=60, check=False)

    assert login("own").stdout == "root\n"
    assert "Permission denied" in login("other").stderr


def test_its_orthanc_runs_on_the_configuration_of_namespaces_and_with_what_is_loaded_first(guest: Guest) -> None:
    habits = OrthancHabits()
    settings = orthanc_settings.render(orthanc_settings.filling("/run/storage", ORTHANC, habits, Installed()))
    open_to_all = json.dumps({**json.loads(settings), "RemoteAccessAllowed": True})
    with guest.channel() as channel:
        assert channel.ask(_identity()) == (0, "")
        assert channel.ask(f"cat > /run/orthanc.json <<'END'\n{open_to_all}\nEND\n") == (0, "")
        start = "LD_PRELOAD=$(echo /usr/lib/testbed/preload/*.so) Orthanc /run/orthanc.json >/run/log 2>&1 &"
        assert channel.ask(start) == (0, "")
        system = _first_answer(f"http://127.0.0.1:{guest.ports[ORTHANC]}/system")
        assert channel.ask("grep -q preload/orthanc.so /proc/$(pidof Orthanc)/maps") == (0, "")
        assert "dicom-web" in httpx.get(f"http://127.0.0.1:{guest.ports[ORTHANC]}/plugins", timeout=30).json()
        assert system["Version"] == channel.ask("dpkg-query -W -f '${Version}' orthanc")[1].partition("+")[0]


def _first_answer(address: str) -> dict[str, str]:
    deadline = time.monotonic() + 60
    while True:
        try:
            found: dict[str, str] = httpx.get(address, timeout=10).json()
        except httpx.HTTPError:
            assert time.monotonic() < deadline, f"{address} did not answer within 60 s"
            time.sleep(0.2)
        else:
            return found


def test_nothing_in_an_image_is_what_guests_must_not_share(image: Image, guest: Guest) -> None:
    assert {path.name for path in image.folder.iterdir()} >= {"vmlinux", "initrd", "root.ext4", "image.json"}
    with guest.channel() as channel:
        looked = (
            "mount -t ext4 -o ro /dev/vda /mnt && ls /mnt/etc/machine-id /mnt/etc/ssh/*_key* 2>/dev/null; umount /mnt"
        )
        assert channel.ask(looked) == (0, "")


def test_a_build_that_was_killed_counts_for_nothing_and_goes_on_after_its_last_stage(build: Build) -> None:
    if not build.before:
        pytest.skip("the image was built by an earlier run of the tests")
    assert any("from its packages" in line for line in build.before)
    assert build.counted == []
    assert build.strays == []
    assert not any("from its packages" in line for line in build.after)
    assert any("packing" in line for line in build.after)
