"""A topology that was read before is not read again, and never taken for another."""

import os
from pathlib import Path

import pytest

from emulator import topology as topologies
from emulator.topology import Known, Topology
from testbed import composition, readings

TEXT = "name: kept\nseed: 7\nsites:\n  - {group: clinic, count: 3, link: adsl, cohort: {studies: {min: 5, max: 9}}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kept.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The files that were really read, in turn; in a home of this test alone."""
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))
    found: list[Path] = []
    load = topologies.load_naming

    def counted(path: Path, known: Known) -> tuple[Topology, tuple[str, ...]]:
        found.append(path)
        return load(path, known)

    monkeypatch.setattr(topologies, "load_naming", counted)
    return found


def test_the_second_reading_is_the_first_one_to_the_last_bit(file: Path, loaded: list[Path]) -> None:
    first = composition.read(file)
    assert composition.read(file) == first
    assert loaded == [file]


def test_another_text_is_read_anew(file: Path, loaded: list[Path]) -> None:
    composition.read(file)
    file.write_text(TEXT.replace("seed: 7", "seed: 8"))
    assert composition.read(file).seed == 8
    assert loaded == [file, file]


def test_other_cohorts_make_it_another_reading(file: Path, loaded: list[Path], tmp_path: Path) -> None:
    def reading(cohorts: list[str]) -> Topology:
        return readings.read(file, cohorts, tmp_path / "kept", lambda path: topologies.load_naming(path, known))

    known = composition.known()
    for cohort in ("one", "one", "another"):
        reading([cohort])
    assert len(loaded) == 2


def test_a_kept_reading_that_is_damaged_is_made_good(file: Path, loaded: list[Path]) -> None:
    first = composition.read(file)
    (kept,) = (composition.cache() / "topologies").iterdir()
    for damaged in (kept.read_bytes()[:-20], b"\xff" + kept.read_bytes()):
        kept.write_bytes(damaged)
        assert composition.read(file) == composition.read(file) == first
    assert loaded == [file, file, file]


def test_a_topology_that_names_files_is_never_kept(file: Path, loaded: list[Path]) -> None:
    (file.parent / "busy.csv").write_text("time,rate\n0s,10mbit\n60s,1mbit\n")
    varying = "links:\n  busy: {rate: 10mbit, rtt: 20ms, trace: {file: busy.csv}}\n"
    file.write_text(TEXT.replace("adsl", "busy") + varying)
    assert composition.read(file).traces
    (file.parent / "busy.csv").write_text("time,rate\n0s,20mbit\n60s,1mbit\n")
    composition.read(file)
    assert loaded == [file, file]


@pytest.mark.parametrize("link", ["even", "adsl"], ids=["used", "unused"])
def test_the_delays_of_another_folder_are_never_taken_for_its_own(file: Path, loaded: list[Path], link: str) -> None:
    """Also where the pings are all alike, which makes no table, and where no site uses the link."""
    text = TEXT.replace("adsl", link) + "links:\n  even: {rate: 10mbit, pings: even.txt}\n"
    for number, folder in enumerate((file.parent / "one", file.parent / "other"), 1):
        folder.mkdir()
        (folder / "even.txt").write_text(f"{10 * number}\n" * 30)
        (folder / file.name).write_text(text)
        delay_s = composition.read(folder / file.name).sites[0].link.up.delay_s
        assert link == "adsl" or delay_s == pytest.approx(0.005 * number)
    assert len(loaded) == 2


def test_where_nothing_can_be_kept_topologies_are_read_all_the_same(file: Path, loaded: list[Path]) -> None:
    composition.cache().mkdir(parents=True)
    (composition.cache() / "topologies").write_text("in the way")
    assert composition.read(file) == composition.read(file)
    assert len(loaded) == 2


def test_only_the_newest_are_kept(file: Path, loaded: list[Path]) -> None:
    for seed in range(40):
        file.write_text(TEXT.replace("seed: 7", f"seed: {seed}"))
        composition.read(file)
    kept = list((composition.cache() / "topologies").iterdir())
    assert len(kept) == 32
    composition.read(file)
    assert len(loaded) == 40


@pytest.mark.parametrize("name", ["nodes/cohorts/scanners.py", "emulator/places.py", "testbed/composition.py"])
def test_other_code_reads_anew(file: Path, loaded: list[Path], name: str) -> None:
    """The date of a file that decides what topologies mean is part of what a reading is kept under."""
    code = Path(readings.__file__).parents[1] / name
    composition.read(file)
    before = code.stat()
    os.utime(code, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    try:
        composition.read(file)
    finally:
        os.utime(code, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert loaded == [file, file]
