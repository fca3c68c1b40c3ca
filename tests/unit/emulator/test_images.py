import lzma
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from emulator.errors import CannotHere, WrongInput
from emulator.images import names, packing
from emulator.images.definitions import definition
from emulator.images.initrd import initrd, needed
from emulator.images.kernel import uncompressed
from emulator.images.keys import key_of


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path))
    folder = tmp_path / "images" / "lab"
    folder.mkdir(parents=True)
    (folder / "image.yaml").write_text("base: debian-13\n")
    (folder / "playbook.yml").write_text("- hosts: all\n")
    return folder


def test_an_own_image_is_a_folder_with_a_base_and_a_playbook(own: Path) -> None:
    assert names() == ("debian-12", "debian-13", "lab")
    assert definition("lab").suite == "trixie"


@pytest.mark.parametrize("text", ["base: debian-7\n", "bases: debian-12\n", "", "base: [\n"])
def test_a_description_that_says_nothing_of_use_is_refused_at_its_file(own: Path, text: str) -> None:
    (own / "image.yaml").write_text(text)
    with pytest.raises(WrongInput, match=r"image.yaml: expected 'base: ' and one of debian-12, debian-13"):
        definition("lab")


def test_an_unknown_image_is_told_with_those_that_are_known(own: Path) -> None:
    with pytest.raises(WrongInput, match="no image 'debian12'; did you mean 'debian-12'"):
        definition("debian12")


@pytest.mark.skipif(not (shutil.which("cc") and shutil.which("mke2fs")), reason="gcc and e2fsprogs make images")
def test_a_key_changes_with_whatever_decides_an_image(own: Path) -> None:
    before = key_of(definition("lab"))
    assert key_of(definition("lab")) == before
    (own / "templates").mkdir()
    (own / "templates" / "one.j2").write_text("text")
    with_template = key_of(definition("lab"))
    (own / "image.yaml").write_text("base: debian-12\n")
    assert len({before, with_template, key_of(definition("lab")), key_of(definition("debian-12"))}) == 4


def _bzimage(payload: bytes) -> bytes:
    """A kernel file with the fields that the boot protocol puts before its payload."""
    head = bytearray(3 * 512)
    head[0x1F1] = 2
    struct.pack_into("<II", head, 0x248, 100, len(payload))
    return bytes(head) + bytes(100) + payload + b"what follows"


@pytest.mark.parametrize("words", [("lz4", "-lc"), ("zstd", "-c"), ("xz", "-c")], ids=lambda words: words[0])
def test_a_kernel_is_unpacked_to_its_elf_file(words: tuple[str, str]) -> None:
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    kernel = b"\x7fELF" + bytes(range(256)) * 40
    packed = subprocess.run(words, input=kernel, capture_output=True, check=True).stdout
    assert uncompressed(_bzimage(packed + struct.pack("<I", len(kernel)))) == kernel


def test_a_kernel_that_is_packed_otherwise_is_refused() -> None:
    with pytest.raises(CannotHere, match="it begins 1f8b"):
        uncompressed(_bzimage(b"\x1f\x8b and more"))


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "6.1.0-cloud"
    depends = {
        "virtio_ring.ko": "",
        "virtio.ko": "virtio_ring.ko",
        "virtio_pci.ko.xz": "virtio.ko virtio_ring.ko",
        "virtio_blk.ko": "virtio.ko virtio_ring.ko",
    }
    folder.mkdir()
    for name in depends:
        (folder / name).write_bytes(lzma.compress(b"module") if name.endswith(".xz") else b"module")
    (folder / "modules.dep").write_text("".join(f"{name}: {needs}\n" for name, needs in depends.items()))
    rest = ("ext4", "overlay", "virtio_console", "virtio_net", "virtio-rng")
    (folder / "modules.builtin").write_text("".join(f"kernel/{name}.ko\n" for name in rest))
    return folder


def test_modules_are_loaded_after_what_they_depend_on_and_once(modules: Path) -> None:
    found = [path.name for path in needed(modules, ("virtio_pci", "virtio_blk", "ext4"))]
    assert found == ["virtio_ring.ko", "virtio.ko", "virtio_pci.ko.xz", "virtio_blk.ko"]


def test_a_kernel_without_a_needed_module_is_refused_by_its_name(modules: Path) -> None:
    with pytest.raises(CannotHere, match="has no module btrfs"):
        needed(modules, ("btrfs",))


def test_an_initrd_holds_the_program_and_unpacked_modules(modules: Path) -> None:
    archive = initrd(b"program", modules)
    assert archive.startswith(b"070701")
    assert b"virtio_ring.ko\nvirtio.ko\nvirtio_pci.ko\nvirtio_blk.ko\n" in archive
    assert archive.count(b"module\0") >= 4


@pytest.mark.skipif(not shutil.which("mke2fs"), reason="e2fsprogs is not installed")
def test_one_tree_gives_one_disk_whenever_and_in_whatever_order_it_was_written(tmp_path: Path) -> None:
    names = ["b", "a", "k2", "k1"]
    for tree, order in (("one", names), ("two", reversed(names))):
        folder = tmp_path / tree / "etc"
        folder.mkdir(parents=True)
        for name in order:
            (folder / name).write_text(name)
        (folder / "link").symlink_to("a")
        packing.tidy(tmp_path / tree)
        packing.make_disk(tmp_path / tree, tmp_path / f"{tree}.ext4")
        time.sleep(1.1)  # the file system's clock counts seconds
    assert packing.digest(tmp_path / "one.ext4") == packing.digest(tmp_path / "two.ext4")


def test_what_a_build_leaves_behind_is_taken_out_and_nothing_is_too_young(tmp_path: Path) -> None:
    for name in (
        "etc/machine-id",
        "etc/ssh/ssh_host_rsa_key",
        "var/log/apt/history.log",
        "boot/vmlinuz-6",
        "usr/bin/ls",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / "usr/bin/ls", (1, 1))
    packing.tidy(tmp_path)
    files = {str(path.relative_to(tmp_path)): path.stat().st_mtime for path in tmp_path.rglob("*")}
    assert set(files) == {"boot", "etc", "etc/ssh", "usr", "usr/bin", "usr/bin/ls", "var", "var/log"}
    assert files.pop("usr/bin/ls") == 1
    assert set(files.values()) == {packing.EPOCH_S}
