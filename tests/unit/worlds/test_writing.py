import os
from pathlib import Path

import pytest

from emulator.writing import write_whole


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "world.json", b"first, and longer")
    write_whole(tmp_path / "world.json", b"second")
    assert (tmp_path / "world.json").read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]


def test_the_old_file_stays_when_the_new_one_cannot_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    write_whole(tmp_path / "world.json", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "world.json", b"new")
    assert (tmp_path / "world.json").read_bytes() == b"old"
