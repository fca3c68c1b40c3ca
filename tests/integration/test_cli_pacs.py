"""`testbed pacs` over a real world: each PACS asked from its site, alike ones in one column, a dead one told."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from emulator.waiting import wait_until
from emulator.worlds import World
from testbed import composition, probing

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
TOPOLOGY = """name: probed
pacs:
  mute: {flavour: orthanc, dimse: false}
defaults: {cohort: {studies: 1, scanner: 1.5T, storage: multi-frame}}
sites:
  - {group: site, count: 2}
  - {name: quiet, pacs: mute}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("pacs")
    file = folder / "probed.yaml"
    file.write_text(TOPOLOGY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESTBED_HOME", str(folder / "home"))
        try:
            yield composition.bring_up(composition.read(file), "probed", None, lambda what, done, total: None)
        finally:
            World.down("probed")


def _pacs(*words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "testbed", "pacs", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, env=environment)


def test_every_pacs_is_asked_from_its_own_site(world: World) -> None:
    done = _pacs("--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [site["site"] for site in told["sites"]] == ["site-01", "site-02", "quiet"]
    for site in told["sites"]:
        assert site["answers"]
        assert site["capabilities"]["web"]["wado"]["study"] is True
    assert told["sites"][0]["capabilities"]["dimse"]["echo"] is True
    assert told["sites"][2]["capabilities"]["dimse"] is None
    assert "orthanc (site-01 and 1" in done.stderr  # and in the next line, "more)"
    assert json.loads((world.folder / probing.KEPT).read_text()) == told


def test_one_site_is_asked_by_its_name_with_or_without_the_world(world: World) -> None:
    for words in (("quiet",), ("probed", "quiet")):
        done = _pacs(*words)
        assert done.returncode == 0, done.stderr
        assert "mute (quiet)" in done.stdout
        assert "1 of 1 PACS answer" in done.stdout


def test_a_name_that_is_neither_a_world_nor_a_site_is_wrong_input(world: World) -> None:
    done = _pacs("nowhere")
    assert done.returncode == 2
    assert "'nowhere' is no site of world 'probed'; its sites: site-01, site-02, quiet" in done.stderr


def test_a_pacs_that_has_fallen_is_told_and_ends_with_1(world: World) -> None:
    own = f"{world.folder}/services/site-02.pacs/"
    (pacs,) = [
        one for one in psutil.process_iter(["cmdline"]) if any(own in word for word in one.info["cmdline"] or ())
    ]
    pacs.kill()
    wait_until(lambda: not pacs.is_running(), within_s=60, what="the end of site-02's PACS")
    done = _pacs("probed", "site-02", "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["sites"][0]["answers"] is False
    assert "site-02/pacs: HTTP at" in done.stderr
