"""`testbed import` as it is typed."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from nodes.imports import importing
from testbed.cli import run
from testbed.composition import known

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def brains(tmp_path: Path) -> Path:
    folder = tmp_path / "brains"
    folder.mkdir()
    for number in range(3):
        image = nibabel.Nifti1Image(np.full((2, 3, 4), number, np.int16), np.eye(4))
        image.set_sform(np.eye(4), 1)
        nibabel.save(image, folder / f"sub-{number}_T1w.nii")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_import_prints_one_document_and_topologies_may_name_the_cohort(
    home: Path, brains: Path, capsys: Captured
) -> None:
    assert run(["import", str(brains), "--out", "trial", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["cohort"], told["studies"], told["instances"]) == ("trial", 3, 12)
    assert told["left_out"]["files"] == 1
    assert "notes.txt" in Path(told["left_out"]["list"]).read_text()
    assert known().cohorts["trial"].studies == {"": 3}
    assert run(["import", str(brains), "--out", "trial"]) == 0
    assert "3 files known already" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["warehouse", "../x", "A", ""])
def test_a_name_that_no_topology_could_write_is_refused(home: Path, brains: Path, name: str, capsys: Captured) -> None:
    assert run(["import", str(brains), "--out", name]) == 2
    assert "can't name a cohort" in capsys.readouterr().err
    assert not (home / "cohorts").exists()


def test_nothing_to_import_is_wrong_input_and_no_cohort(home: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "readme").write_text("x")
    assert run(["import", str(tmp_path / "empty"), "--out", "none"]) == 2
    assert "nothing in it can be imported" in capsys.readouterr().err
    assert "none" not in known().cohorts


def test_an_interrupted_import_ends_with_130_and_can_be_gone_on_with(
    home: Path, brains: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_write_list", interrupted)
        assert run(["import", str(brains), "--out", "trial"]) == 130
    assert run(["import", str(brains), "--out", "trial"]) == 0
    assert "3 studies" in capsys.readouterr().out


def test_fill_without_a_world_says_what_to_do(home: Path, capsys: Captured) -> None:
    assert run(["fill"]) == 4
    assert "testbed up" in capsys.readouterr().err
