"""The worker's disk: what is damaged is never used."""

from pathlib import Path

import numpy as np
import pytest

from trainer.tasks import Sample
from trainer.worker.shelf import Home, Shelf


@pytest.fixture
def sample() -> Sample:
    values = np.random.default_rng(1).standard_normal((2, 4, 5, 6)).astype(np.float16)
    return Sample(values, 2)


def test_a_sample_comes_back_as_it_was_put(tmp_path: Path, sample: Sample) -> None:
    shelf = Shelf(tmp_path / "view")
    assert shelf.get("1.2.3") is None
    shelf.put("1.2.3", sample)
    back = Shelf(tmp_path / "view").get("1.2.3")
    assert back is not None
    assert back.label == 2
    assert (back.values == sample.values).all()


@pytest.mark.parametrize("where", [0, 31, 32, 40, -1])
def test_one_flipped_bit_is_noticed_and_the_file_taken_away(tmp_path: Path, sample: Sample, where: int) -> None:
    shelf = Shelf(tmp_path)
    shelf.put("1.2.3", sample)
    data = bytearray((tmp_path / "1.2.3").read_bytes())
    data[where] ^= 1
    (tmp_path / "1.2.3").write_bytes(data)
    assert shelf.has("1.2.3")
    assert shelf.get("1.2.3") is None
    assert not shelf.has("1.2.3")


def test_a_truncated_file_is_noticed(tmp_path: Path, sample: Sample) -> None:
    shelf = Shelf(tmp_path)
    shelf.put("1.2.3", sample)
    for size in (0, 10, 32, 60):
        (tmp_path / "1.2.3").write_bytes((tmp_path / "1.2.3").read_bytes()[:size])
        assert shelf.get("1.2.3") is None
        shelf.put("1.2.3", sample)


@pytest.mark.parametrize("uid", ["../../etc/passwd", "..", "a/b", "x" * 100, ""])
def test_a_uid_that_is_no_file_name_stays_in_the_folder(tmp_path: Path, sample: Sample, uid: str) -> None:
    shelf = Shelf(tmp_path / "inner")
    shelf.put(uid, sample)
    assert shelf.get(uid) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


def test_a_site_keeps_its_last_models_only(tmp_path: Path) -> None:
    home = Home(tmp_path, keep=2)
    names = [home.put(bytes([i]) * 10) for i in range(4)]
    assert [home.get(name) is not None for name in names] == [False, False, True, True]
    (tmp_path / names[-1]).write_bytes(b"other")
    assert home.get(names[-1]) is None
