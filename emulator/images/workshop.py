"""Builds one image, stage by stage: `python -m emulator.images.workshop`, in mount and process namespaces of its own.

The order comes as JSON on stdin; events go to stdout, one JSON list (what, done, of how many) a line. A stage's result
gets its name when it is whole, so that whoever is killed goes on after the last one: `root.tar`, `tree`, the image.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.errors import TestbedError
from emulator.images import archive, packing
from emulator.images.definitions import PLAYBOOK
from emulator.images.initrd import initrd
from emulator.images.kernel import uncompressed
from emulator.images.keys import ANSIBLE
from emulator.inside import syscalls
from emulator.inside.init import keep_mounts_private
from emulator.playbooks import Failure, play

# Python for Ansible, and what an essential system lacks; all else comes by the playbook.
_INCLUDED = ("ca-certificates", "mount", "python3", "python3-apt")
_UNREAD = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*", "/usr/share/man/*")
_BY_DPKG = (
    "force-unsafe-io",
    *(f"path-exclude={pattern}" for pattern in _UNREAD),
    "path-include=/usr/share/doc/*/copyright",
)
_PROGRAM = "usr/lib/testbed/guest"


@dataclass(frozen=True)
class Order:
    """`own`: the folder of a user's own playbook, or empty. `work`: where stages are kept. `image`: where it goes."""

    name: str
    suite: str
    own: str
    work: str
    image: str


def tell(what: str, done: int, total: int) -> None:
    print(json.dumps([what, done, total]), flush=True)


def run(order: Order) -> None:
    """All stages that are not done yet."""
    work = Path(order.work)
    if not (work / "tree").exists():
        if not (work / "root.tar").exists():
            _bootstrap(order, work)
        _configure(order, work)
    _pack(order, work)


# --- root.tar: a distribution's essential packages -----------------------------------------------------------------


def _bootstrap(order: Order, work: Path) -> None:
    what = f"image {order.name}: Debian {order.suite} from its packages"
    tell(what, 0, 1)
    part = work / "root.tar.part"
    for left in work.glob("mmdebstrap.*"):  # its scratch folder, if it was killed
        shutil.rmtree(left)
    options = [f"--dpkgopt={option}" for option in _BY_DPKG]
    includes = f"--include={','.join(_INCLUDED)}"
    words = ["mmdebstrap", "--mode=root", "--variant=apt", "--format=tar", "--skip=cleanup/apt", includes, *options]
    _logged(work, [*words, order.suite, str(part), *archive.sources(order.suite)])
    part.rename(work / "root.tar")
    tell(what, 1, 1)


def _logged(work: Path, words: list[str]) -> None:
    """Run a program, its words in the log. Raises `CannotHere` with the last of them."""
    from emulator.errors import CannotHere

    with (work / "log").open("ab") as log:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **archive.QUIET, "TMPDIR": str(work)},
            check=False,
        )
    if done.returncode:
        last = "\n".join((work / "log").read_text(errors="replace").strip().splitlines()[-5:])
        raise CannotHere(f"{words[0]} ended with {done.returncode}:\n{last}")


# --- tree: configured by Ansible -----------------------------------------------------------------------------------


def _configure(order: Order, work: Path) -> None:
    part = work / "tree.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    _logged(work, ["tar", "--extract", "--numeric-owner", "-p", "-C", str(part), "-f", str(work / "root.tar")])
    with _inhabited(part):
        _play(order, ANSIBLE / "guest.yml", part, work)
        if order.own:
            _play(order, Path(order.own) / PLAYBOOK, part, work)
    for kernel in part.glob("boot/vmlinuz-*"):
        shutil.copyfile(kernel, work / "vmlinuz")
    packing.tidy(part)
    part.rename(work / "tree")


@contextmanager
def _inhabited(tree: Path) -> Iterator[None]:
    """What programs expect of a system that runs; gone again before the tree is packed."""
    mounts = (("/proc", "proc"), ("/sys", "sys"), ("/dev", "dev"))
    for source, target in mounts:
        syscalls.mount(source, str(tree / target), "none", syscalls.MS_BIND | syscalls.MS_REC)
    names = tree / "etc/resolv.conf"
    names.unlink(missing_ok=True)
    names.write_text(Path("/etc/resolv.conf").read_text())
    try:
        yield
    finally:
        for _, target in mounts:
            syscalls.unmount(str(tree / target))


def _play(order: Order, playbook: Path, tree: Path, work: Path) -> None:
    what = f"image {order.name}: {playbook.name}, by Ansible"
    done = 0

    def told(task: str) -> None:
        nonlocal done
        tell(what, done, done + 1)
        done += 1

    host = {"ansible_connection": "unpacked", "ansible_unpacked_root": str(tree), "guest_suite": order.suite}
    inventory = {"all": {"hosts": {order.name: host}}}
    settings = {
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_CONNECTION_PLUGINS": str(ANSIBLE / "connection_plugins"),
        "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
        "ANSIBLE_REMOTE_TMP": "/tmp/ansible",  # noqa: S108 - the tree's, which is cleared
    }
    played = play(playbook, inventory, work / "ansible", told, settings)
    with (work / "log").open("a") as log:
        log.write(played.said)
    if not played.ok:
        raise _refused(playbook, played.failures)
    tell(what, done, done)


def _refused(playbook: Path, failures: tuple[Failure, ...]) -> TestbedError:
    from emulator.errors import CannotHere

    reasons = "\n".join(f"{failure.task}: {failure.why}" for failure in failures) or "it could not be played at all"
    return CannotHere(f"{playbook}: {reasons}")


# --- The image -------------------------------------------------------------------------------------------------------


def _pack(order: Order, work: Path) -> None:
    what = f"image {order.name}: packing"
    tell(what, 0, 1)
    tree, packed = work / "tree", work / "packed"
    shutil.rmtree(packed, ignore_errors=True)
    packed.mkdir()
    (modules,) = (tree / "lib/modules").glob("*")
    (packed / "vmlinux").write_bytes(uncompressed((work / "vmlinuz").read_bytes()))
    (packed / "initrd").write_bytes(initrd((tree / _PROGRAM).read_bytes(), modules))
    packing.make_disk(tree, packed / "root.ext4")
    said = {
        "name": order.name,
        "suite": order.suite,
        "key": Path(order.image).name,
        "kernel": modules.name,
        "sha256": {path.name: packing.digest(path) for path in sorted(packed.glob("*"))},
        "packages": packing.packages(tree),
    }
    (packed / "image.json").write_text(json.dumps(said, indent=1) + "\n")
    packed.rename(order.image)
    shutil.rmtree(work)
    tell(what, 1, 1)


if __name__ == "__main__":
    try:
        keep_mounts_private()
        run(Order(**json.load(sys.stdin)))
    except TestbedError as error:
        sys.exit(str(error))
