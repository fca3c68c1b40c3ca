"""The Vagrantfile, judged by Vagrant itself."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _judged(folder: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """`vagrant validate`, which wants a home of its own and would leave a folder beside the Vagrantfile."""
    own = {"VAGRANT_HOME": str(scratch / "home"), "VAGRANT_DOTFILE_PATH": str(scratch / "state")}
    more = {"VAGRANT_CWD": str(folder), "VAGRANT_DEFAULT_PROVIDER": "libvirt", "VAGRANT_CHECKPOINT_DISABLE": "1"}
    return subprocess.run(
        ["vagrant", "validate"],
        env={**os.environ, **own, **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(
    not Path("/usr/share/vagrant-plugins/plugins.d/vagrant-libvirt.json").exists() or not shutil.which("vagrant"),
    reason="vagrant and vagrant-libvirt are not installed",
)
def test_vagrant_accepts_the_vagrantfile_and_would_refuse_a_wrong_one(tmp_path: Path) -> None:
    told = _judged(ROOT, tmp_path)
    assert told.returncode == 0, told.stderr
    wrong = (ROOT / "Vagrantfile").read_text().replace("guest.cpus", "guest.processors")
    (tmp_path / "Vagrantfile").write_text(wrong)
    assert "processors" in _judged(tmp_path, tmp_path).stderr
