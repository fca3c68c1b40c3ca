"""Images for tests: built by the command, once for all of them, with a kill -9 in the middle."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil
import pytest

from emulator import images
from emulator.images import Image

_BUILD = (sys.executable, "-m", "testbed", "image")


@dataclass
class Build:
    """`before`, `after`: what was told up to the kill and from then on; none where the image was there from the start.

    `strays`: processes of the killed build that were left; `counted`: images that were thought to be there after it.
    """

    image: Image
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, home: Path) -> Self:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("TESTBED_HOME", str(home))
            there = any(kept.name == name and kept.current for kept in images.kept())
            story = {} if there else _built(name, home)
            return cls(images.get(name, lambda what, done, total: None), **story)


def _built(name: str, home: Path) -> dict[str, list[str]]:
    before: list[str] = []
    with started(name, home) as process:
        assert process.stderr is not None
        for line in process.stderr:
            before.append(line)
            if "guest.yml" in line:
                break
        workshop = psutil.Process(process.pid).children(recursive=True)
    _, alive = psutil.wait_procs(workshop, timeout=10)
    listed = subprocess.run(
        [*_BUILD, "ls", "--json"], capture_output=True, text=True, check=True, env=_surroundings(home)
    )
    found = json.loads(listed.stdout)["images"]
    counted = [entry["name"] for entry in found if entry["name"] == name and entry["current"]]
    with started(name, home) as again:
        told = finish(again)
    return {"before": before, "after": told.splitlines(), "strays": [str(one) for one in alive], "counted": counted}


@contextlib.contextmanager
def started(name: str, home: Path) -> "Iterator[subprocess.Popen[str]]":
    """A command that builds an image; killed at the end of the block, if it still runs."""
    words = [*_BUILD, "build", name]
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=_surroundings(home)
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(building: "subprocess.Popen[str]") -> str:
    """What a build has told when it has ended well."""
    _, told = building.communicate(timeout=540)
    assert building.returncode == 0, told
    return told


def _surroundings(home: Path) -> dict[str, str]:
    return {**os.environ, "TESTBED_HOME": str(home)}
