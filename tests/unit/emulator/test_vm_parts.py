"""The parts of virtual machines that need none: XML, keys, scripts, disks, the cache."""

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest

from emulator.errors import Fell
from emulator.machines.vm import disks, identity, scripts, shelf
from emulator.machines.vm.channel import Channel
from emulator.machines.vm.domain import Hardware, Wanted, xml
from emulator.machines.vm.golden import Recipe
from emulator.topology.resolved import Disk

HARDWARE = Hardware("tcg", "pc", 1, 2**27, Path("/k"), Path("/i"), "quiet")
WANTED = Wanted(
    "lyon",
    HARDWARE,
    (Path("/base"), Path("/own"), Path("/layer")),
    Disk(2**30),
    "/run/vm",
    Path("/c"),
    "t1",
    Path("/m"),
    False,
)
RECIPE = Recipe("key", Path("/root"), HARDWARE, "QEMU 7.2", ("/usr/sbin/Orthanc", "/run/pacs/o.json"), (), "o.json")


def _shape(text: str) -> list[tuple[str, str]]:
    """The devices that a saved state is tied to, and where they are."""
    tree = Tree.fromstring(text)  # noqa: S314 - ours
    return [(device.tag, str(address.attrib)) for device in tree.iter() for address in device.findall("address")]


def test_a_clone_has_the_devices_of_the_golden_guest_at_their_addresses() -> None:
    golden = replace(WANTED, name="golden", disks=(Path("/base"), Path("/x"), Path("/y")), shared=True)
    assert _shape(xml(WANTED)) == _shape(xml(golden))
    assert len(_shape(xml(WANTED))) == 5


def test_only_a_clone_waits_for_a_state_and_keeps_what_it_writes_to_itself() -> None:
    assert "share=off" in xml(WANTED)
    assert "defer" in xml(WANTED)
    golden = xml(replace(WANTED, shared=True))
    assert "share=on" in golden
    assert "defer" not in golden


def test_the_bounds_of_a_disk_are_bytes_a_second() -> None:
    tree = Tree.fromstring(xml(replace(WANTED, own=Disk(2**30, read_bps=800, iops=7))))  # noqa: S314 - ours
    bounds = {bound.tag: bound.text for tune in tree.iter("iotune") for bound in tune}
    assert bounds == {"read_bytes_sec": "100", "total_iops_sec": "7"}


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, qemu="QEMU 7.3"),
        replace(RECIPE, image="another"),
        replace(RECIPE, hardware=replace(HARDWARE, vcpus=2)),
        replace(RECIPE, hardware=replace(HARDWARE, accelerator="kvm")),
        replace(RECIPE, argv=("/usr/sbin/Other",)),
    ],
)
def test_another_recipe_is_another_golden_guest(other: Recipe) -> None:
    assert other.key != RECIPE.key


def test_no_two_guests_are_told_the_same_secrets() -> None:
    pairs = [identity.key_pair() for _ in range(3)]
    assert len({pair.private for pair in pairs}) == len({pair.public for pair in pairs}) == 3
    assert all(pair.public.startswith("ssh-ed25519 ") for pair in pairs)


def test_a_files_text_reaches_the_guest_as_it_is(tmp_path: Path) -> None:
    """Whatever it holds: it passes a shell on the way."""
    text = 'it\'s $HOME `id` \\n %s "quoted"\n'
    script = scripts.settle("", {"a.json": text, "b.pem": text}, "a.json", None)
    files = [line for line in script.split("\n") if line.startswith("printf")]
    assert len(files) >= 2
    start, end = script.index("printf"), script.index("read holder")
    subprocess.run(["sh", "-c", script[start:end]], cwd=tmp_path, check=True)
    assert (tmp_path / "b.pem").read_text() == (tmp_path / "a.json.new").read_text() == text


def test_a_baked_folder_is_packed_once_and_whole(tmp_path: Path) -> None:
    baked = tmp_path / "baked"
    (baked / "a").mkdir(parents=True)
    (baked / "a" / "study").write_bytes(os.urandom(300_000))
    (baked / "index").write_bytes(b"x" * 5000)
    image = disks.layer(str(baked), tmp_path / "cache")
    before = image.stat().st_mtime_ns
    assert disks.layer(str(baked), tmp_path / "cache") == image
    assert image.stat().st_mtime_ns == before
    said = subprocess.run(
        ["/usr/sbin/debugfs", "-R", f"dump /a/study {tmp_path / 'out'}", str(image)], capture_output=True, check=True
    )
    assert (tmp_path / "out").read_bytes() == (baked / "a" / "study").read_bytes(), said.stderr


def test_a_sites_disk_takes_no_room_before_it_is_written(tmp_path: Path) -> None:
    disks.own(tmp_path / "disk", 2**30, tmp_path / "cache")
    found = (tmp_path / "disk").stat()
    assert found.st_size == 2**30
    assert found.st_blocks * 512 < 4 * 2**20
    subprocess.run(["/usr/sbin/e2fsck", "-fn", str(tmp_path / "disk")], capture_output=True, check=True)


def test_an_entry_of_the_cache_is_made_by_one_and_never_half(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(draft: Path) -> None:
        made.append(draft)
        draft.write_text("whole")

    wanting = [threading.Thread(target=shelf.kept, args=(tmp_path / "entry", make)) for _ in range(5)]
    for thread in wanting:
        thread.start()
    for thread in wanting:
        thread.join()
    assert len(made) == 1
    assert (tmp_path / "entry").read_text() == "whole"


def test_what_a_failed_making_leaves_is_taken_away(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        draft.mkdir()
        (draft / "half").touch()
        raise Fell("no more")

    with pytest.raises(Fell):
        shelf.kept(tmp_path / "entry", fail)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".lock")]


def test_a_guest_that_does_not_answer_is_told_within_its_time(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "agent"))
        listener.listen()
        with (
            Channel(tmp_path / "agent") as channel,
            pytest.raises(Fell, match=r"settling: the guest does not answer .* 0\.2 s"),
        ):
            channel.run("true", 0.2, "settling")
