"""Everything that the command line does, done by an ordinary user whose PATH knows no sbin."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from door import TOPOLOGY, Door

pytestmark = pytest.mark.integration

_STRANGER = 61_234
_AS_STRANGER = ("setpriv", f"--reuid={_STRANGER}", f"--regid={_STRANGER}", "--clear-groups")


@pytest.fixture
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    if os.getuid() != 0:
        pytest.skip("this whole run is without root already")
    if subprocess.run([*_AS_STRANGER, "test", "-r", __file__, "-a", "-x", sys.executable], check=False).returncode:
        pytest.skip("this checkout lies where an ordinary user can't read it")
    folder = tmp_path_factory.mktemp("stranger")
    for parent in [folder, *folder.parents][:3]:
        parent.chmod(0o755)
    (folder / "two.yaml").write_text(TOPOLOGY)
    os.chown(folder, _STRANGER, _STRANGER)
    checkout = str(Path(__file__).parents[2])
    more = (("HOME", str(folder)), ("PATH", "/usr/bin:/bin"), ("PYTHONPATH", checkout))
    door = Door(folder / "home", folder / "two.yaml", _AS_STRANGER, more)
    try:
        yield door
    finally:
        door("down", "--all")


def test_a_whole_training_needs_no_root(stranger: Door) -> None:
    stranger("up", str(stranger.topology))
    trained = json.loads(stranger("train", "--json").stdout)
    assert trained["state"] == "done"
    assert [sorted(one["participants"]) for one in trained["rounds"]] == [["far", "near"]] * 2
    cost = json.loads(stranger("cost", "--json").stdout)
    assert (
        cost["rounds"][0]["sites"]["far"]["pull"]["rx_wire"] > cost["rounds"][0]["sites"]["far"]["pull"]["rx_payload"]
    )
