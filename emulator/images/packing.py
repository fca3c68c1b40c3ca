"""From an unpacked root to what a guest boots from, the same bytes each time."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

EPOCH_S = 1767225600  # 2026-01-01: nothing in an image is younger
_UUID = "7e57bed0-0000-4000-8000-000000000001"
_BLOCK_BYTES = 4096
# What a build leaves behind, and what would be the same in every guest and must not be.
_LEFT_BEHIND = (
    "boot/*",
    "etc/.pwd.lock",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/ssh/ssh_host_*",
    "initrd.img*",
    "root/.ansible",
    "tmp/*",
    "run/*",
    "usr/sbin/policy-rc.d",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/*-old",
    "var/lib/systemd/random-seed",
    "var/log/*",
    "var/tmp/*",
    "vmlinuz*",
)


def tidy(tree: Path) -> None:
    """Take away what the build left, and let no file be younger than the epoch."""
    for pattern in _LEFT_BEHIND:
        for path in tree.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    for path in _everything(tree):
        time = min(int(path.lstat().st_mtime), EPOCH_S)
        os.utime(path, (time, time), follow_symlinks=False)


def _everything(tree: Path) -> Iterator[Path]:
    """Deepest first: what is done to a file must not touch the time of a folder that is done already."""
    for folder, folders, files in os.walk(tree, topdown=False):
        yield from (Path(folder, name) for name in (*files, *folders))
    yield tree


def make_disk(tree: Path, disk: Path) -> None:
    """An ext4 file system of the tree, a little larger than it; read-only by intent, so without a journal."""
    files = list(_everything(tree))
    blocks = sum(-(-path.lstat().st_size // _BLOCK_BYTES) + 1 for path in files)
    megabytes = (blocks * _BLOCK_BYTES * 105 // 100 + len(files) * 256 >> 20) + 8
    features = "^has_journal,^resize_inode,^metadata_csum"
    options = ["-O", features, "-m", "0", "-N", str(len(files) + 100), "-U", _UUID, "-E", f"hash_seed={_UUID}"]
    words = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "testbed", *options, "-d", str(tree), str(disk), f"{megabytes}M"]
    times = {"E2FSPROGS_FAKE_TIME": str(EPOCH_S), "SOURCE_DATE_EPOCH": str(EPOCH_S)}
    subprocess.run(words, env={**os.environ, **times}, check=True, timeout=120, stdout=subprocess.DEVNULL)
    _same_times(disk, len(files) + 20)


def _same_times(disk: Path, inodes: int) -> None:
    """When a file was read, and when its inode was changed, which nobody can set: mke2fs before 1.47.1 copies both; and
    when the disk was last written.
    """
    times = ("ctime", "ctime_extra", "atime", "atime_extra")
    lines = (
        f"set_inode_field <{n}> {t} {0 if 'extra' in t else f'@{EPOCH_S}'}\n" for n in range(2, inodes) for t in times
    )
    subprocess.run(
        ["debugfs", "-w", "-f", "-", str(disk)],
        input=f"set_current_time @{EPOCH_S}\n{''.join(lines)}",
        text=True,
        check=True,
        timeout=120,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def packages(tree: Path) -> dict[str, str]:
    """What the tree's dpkg has installed: name → version."""
    found = {}
    for entry in (tree / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and line[0] != " ")
        if "Package" in fields:
            found[fields["Package"]] = fields["Version"]
    return dict(sorted(found.items()))
