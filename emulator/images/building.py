"""Having an image built: the workshop is started in namespaces of its own, and followed to its end."""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from emulator.errors import NAMESPACES_ADVICE, CannotHere
from emulator.images.definitions import Definition

Progress = Callable[[str, int, int], None]

_WORK = ".building-"
_LARGEST_BYTES = 3 * 2**30  # of an image in the making: its root three times over
_NEEDED = (("mmdebstrap", "mmdebstrap"), ("mke2fs", "e2fsprogs"), ("debugfs", "e2fsprogs"), ("cc", "gcc"))


def build(wanted: Definition, shelf: Path, key: str, progress: Progress) -> None:
    """Put the image with this key on the shelf, whole. Raises `CannotHere` saying at what it failed."""
    shelf.mkdir(parents=True, exist_ok=True)
    with _turn(shelf, key, wanted.name, progress) as lock:
        if (shelf / key).is_dir():  # another command was at it
            return
        _prove(shelf)
        work = shelf / f"{_WORK}{key}"
        work.mkdir(exist_ok=True)
        _run(wanted, work, shelf / key, lock, progress)


@contextlib.contextmanager
def _turn(shelf: Path, key: str, name: str, progress: Progress) -> Iterator[int]:
    """Hold the lock of one image; the workshop inherits it, so that it is free only when nothing writes any more."""
    lock = os.open(shelf / f".lock-{key}", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another command that builds {name}", 0, 1)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _prove(shelf: Path) -> None:
    import platform
    import shutil

    if platform.machine() != "x86_64":
        raise CannotHere(f"images are built for x86-64 only, and this is {platform.machine()}")
    missing = sorted({package for program, package in _NEEDED if shutil.which(program) is None})
    if missing:
        raise CannotHere(
            f"images can't be built without {', '.join(missing)}: ./dev install --tests, "
            f"or as root apt-get install {' '.join(missing)}"
        )
    if shutil.disk_usage(shelf).free < _LARGEST_BYTES:
        raise CannotHere(
            f"building an image takes {_LARGEST_BYTES >> 30} GiB of room in {shelf}; make room, or set TESTBED_HOME"
        )


def _run(wanted: Definition, work: Path, image: Path, lock: int, progress: Progress) -> None:
    order = {
        "name": wanted.name,
        "suite": wanted.suite,
        "own": str(wanted.own or ""),
        "work": str(work),
        "image": str(image),
    }
    with tempfile.TemporaryFile("w+") as complaints:
        workshop = subprocess.Popen(
            _argv(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            pass_fds=(lock,),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            text=True,
        )
        try:
            _follow(workshop, order, progress)
            if workshop.wait() != 0:
                complaints.seek(0)
                said = complaints.read().strip()[-1500:] or f"exit code {workshop.returncode}"
                raise CannotHere(_failure(wanted.name, said, work))
        finally:
            workshop.kill()  # and the kernel ends what is in its pid namespace
            workshop.wait()
            for stream in filter(None, (workshop.stdin, workshop.stdout)):
                stream.close()


def _argv() -> list[str]:
    """The workshop's mounts are seen by nobody else, and whatever ends us ends it, its mounts and its programs."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user", "--map-auto"]
    namespaces = ["unshare", *user, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return ["setpriv", "--pdeathsig", "KILL", "--", *namespaces, sys.executable, "-m", "emulator.images.workshop"]


def _follow(workshop: "subprocess.Popen[str]", order: dict[str, str], progress: Progress) -> None:
    """Read the workshop's events, one JSON list a line, until it ends."""
    if workshop.stdin is None or workshop.stdout is None:
        raise TypeError("the workshop must be started with two pipes")
    with contextlib.suppress(BrokenPipeError), workshop.stdin:  # it has ended already; its complaint is read next
        json.dump(order, workshop.stdin)
    for line in workshop.stdout:
        what, done, total = json.loads(line)
        progress(what, done, total)


def _failure(name: str, said: str, work: Path) -> str:
    if "unshare" in said:
        return f"building an image needs namespaces, and this system refuses them ({said}); {NAMESPACES_ADVICE}"
    return (
        f"image {name} could not be built: {said}\n"
        f"The whole story is in {work}/log. What was finished is kept, and the next try goes on there"
    )
