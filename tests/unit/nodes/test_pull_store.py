"""The worker's store: what has come whole stays, once; what has not, or is not what was asked for, never counts."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from persons import person

from nodes.cohorts import scanners
from nodes.dicom import single
from nodes.dicom.study import Context
from nodes.errors import Unreadable
from nodes.phantoms.grids import Grid
from nodes.phantoms.volumes import Scan
from nodes.pull.provenance import provenance
from nodes.pull.store import Holding, Store

CONTEXT = Context("lyon", 7, scanners.get("3T"))
PATIENT = person()
UID = CONTEXT.uid(PATIENT, "study")
SHAPE = (4, 5, 3)
FILES = single.mri_files(
    CONTEXT, PATIENT, Scan(np.zeros(SHAPE, np.uint16), 1.0, Grid(SHAPE, (-1.0, -1.0, 1.0), (2.0, 1.0, 1.0)))
)


def content(holding: Holding) -> list[bytes]:
    return [bytes(data) for _, data in holding.views()]


@pytest.fixture
def holding(tmp_path: Path) -> Holding:
    return Store(tmp_path).holding(UID)


def test_an_instance_is_the_same_whether_it_came_whole_or_in_pieces(holding: Holding, tmp_path: Path) -> None:
    with holding.stream() as stream:
        assert stream.whole(memoryview(FILES[0]))
        for start in range(0, len(FILES[1]), 100):
            stream.piece(FILES[1][start : start + 100])
        assert stream.end()
        assert stream.whole(memoryview(FILES[2]))
    assert content(holding) == FILES[:3]
    assert content(Store(tmp_path).holding(UID)) == FILES[:3]


def test_an_instance_is_kept_once_whoever_brings_it(holding: Holding) -> None:
    with holding.stream() as one, holding.stream() as other:
        assert one.whole(memoryview(FILES[0]))
        assert not one.whole(memoryview(FILES[0]))
        other.piece(FILES[0])
        assert not other.end()
        assert other.whole(memoryview(FILES[1]))
    assert content(holding) == FILES[:2]


def test_what_was_not_ended_is_not_there(holding: Holding, tmp_path: Path) -> None:
    with holding.stream() as stream:
        stream.whole(memoryview(FILES[0]))
        stream.piece(FILES[1][:500])
    assert content(holding) == content(Store(tmp_path).holding(UID)) == FILES[:1]


def test_an_instance_of_another_study_or_another_than_asked_is_refused(tmp_path: Path) -> None:
    elsewhere = Store(tmp_path).holding("1.2.3")
    with elsewhere.stream() as stream, pytest.raises(Unreadable, match=f"which is of study '{UID}'"):
        stream.whole(memoryview(FILES[0]))
    with Store(tmp_path).holding(UID).stream() as stream:
        with pytest.raises(Unreadable, match=r"for instance 1\.2\.3"):
            stream.whole(memoryview(FILES[0]), "1.2.3")
        assert stream.whole(memoryview(FILES[0]))


def test_a_damaged_instance_that_is_dropped_stays_so_after_a_restart(holding: Holding, tmp_path: Path) -> None:
    with holding.stream() as stream:
        for data in FILES:
            stream.whole(memoryview(data))
    holding.drop(provenance(FILES[1]).instance)
    assert content(holding) == content(Store(tmp_path).holding(UID)) == [FILES[0], *FILES[2:]]


def test_no_name_becomes_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    Store(folder).holding("../../escaped")
    assert [path.parent for path in folder.iterdir()] == [folder]
    assert list(tmp_path.iterdir()) == [folder]


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, sum(map(len, FILES)) + 240 * len(FILES)), noise=st.binary(max_size=300))
def test_a_kill_at_any_byte_leaves_what_was_whole(
    cut: int, noise: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    holding = Store(folder).holding(UID)
    with holding.stream() as stream:
        for data in FILES:
            stream.whole(memoryview(data))
    (pack,) = folder.rglob("*.pack")
    whole = pack.read_bytes()
    pack.write_bytes(whole[:cut] + (noise if cut < len(whole) else b""))
    left = content(Store(folder).holding(UID))
    assert left == FILES[: len(left)]
    assert cut - sum(len(data) + 240 for data in left) < max(map(len, FILES)) + 240
    assert content(Store(folder).holding(UID)) == left


@settings(deadline=None)
@given(st.integers(0, len(FILES[0]) - 1), st.binary(min_size=1, max_size=8))
def test_damaged_files_are_read_or_refused(place: int, damage: bytes) -> None:
    data = FILES[0][:place] + damage + FILES[0][place + len(damage) :]
    for found in (data, data[:place]):
        with contextlib.suppress(Unreadable):
            assert all(provenance(memoryview(found)))
