"""Images for tests: built by the command, once for all of them, with a kill -9 in the middle."""

import json
import os
import subprocess
import sys
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
    process = _started(name, home)
    assert process.stderr is not None
    for line in process.stderr:
        before.append(line)
        if "guest.yml" in line:
            break
    workshop = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workshop, timeout=10)
    listed = subprocess.run(
        [*_BUILD, "ls", "--json"], capture_output=True, text=True, check=True, env=_surroundings(home)
    )
    counted = [entry["name"] for entry in json.loads(listed.stdout)["images"] if entry["current"]]
    again = _started(name, home)
    _, told = again.communicate(timeout=540)
    assert again.returncode == 0, told
    return {"before": before, "after": told.splitlines(), "strays": [str(one) for one in alive], "counted": counted}


def _started(name: str, home: Path) -> "subprocess.Popen[str]":
    words = [*_BUILD, "build", name]
    return subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=_surroundings(home)
    )


def _surroundings(home: Path) -> dict[str, str]:
    return {**os.environ, "TESTBED_HOME": str(home)}
