"""A run as one file: it comes out as it went in, or not at all."""

import contextlib
import gzip
import json
import shutil
import tarfile
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from face_networks import Recorded
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from testbed.cli import commands
from trainer.errors import ParcelDamaged, RunBusy, WrongState
from trainer.record import Lock, Run
from trainer.record.parcel import pack, unpack


@pytest.fixture
def parcel(recorded: Recorded, home: Path) -> Path:
    run = Run(home / "runs" / recorded())
    model = run.folder / "models" / ("0" * 64 + ".safetensors")
    model.write_bytes(b"not looked into here")
    pack(run, home / "run.tar.gz")
    run.close()
    return home / "run.tar.gz"


def told(home: Path, run: str) -> tuple[object, ...]:
    found = Run(home / "runs" / run)
    try:
        return found.summary(), found.cost(), found.pulls(), found.events(), found.topology()
    finally:
        found.close()


def test_a_run_is_elsewhere_what_it_was_here(parcel: Path, home: Path) -> None:
    run, digest = unpack(parcel, home / "elsewhere")
    assert told(home / "elsewhere", run) == told(home, run)
    config = Run(home / "elsewhere" / "runs" / run).config()
    assert config.run_folder == home / "elsewhere" / "runs" / run
    assert all(str(site.cache_folder).startswith(str(config.run_folder)) for site in config.sites)
    assert unpack(parcel, home / "elsewhere") == (run, digest)  # once more does nothing
    assert not list((home / "elsewhere").glob(".import-*"))


def test_no_path_of_this_machine_is_in_it(parcel: Path, home: Path) -> None:
    assert str(home).encode() not in gzip.decompress(parcel.read_bytes())


def test_the_same_run_makes_the_same_file(parcel: Path, home: Path) -> None:
    before = parcel.read_bytes()
    (folder,) = (home / "runs").iterdir()
    run = Run(folder)
    pack(run, parcel)
    run.close()
    assert parcel.read_bytes() == before


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_file_that_was_cut_or_changed_anywhere_imports_nothing(parcel: Path, home: Path, data: st.DataObject) -> None:
    whole = parcel.read_bytes()
    place = data.draw(st.integers(10, len(whole) - 9))  # gzip's head and tail are not content
    if data.draw(st.booleans()):
        damaged = whole[:place]
    else:
        damaged = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    with contextlib.suppress(OSError, EOFError, zlib.error):
        assume(gzip.decompress(damaged) != gzip.decompress(whole))  # a repetition may be told by another distance
    other = home / "damaged.tar.gz"
    other.write_bytes(damaged)
    shutil.rmtree(home / "elsewhere", ignore_errors=True)
    with pytest.raises(ParcelDamaged, match="nothing was imported"):
        unpack(other, home / "elsewhere")
    assert not list((home / "elsewhere").glob("*"))


def test_names_that_lead_out_of_the_folder_are_refused(parcel: Path, home: Path) -> None:
    with tarfile.open(parcel) as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
    manifest["files"]["../../escaped"] = {"bytes": 1, "sha256": "0"}
    (home / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(home / "bad.tar.gz", "w:gz") as tar:
        tar.add(home / "manifest.json", "manifest.json")
    with pytest.raises(ParcelDamaged, match="names what no run has"):
        unpack(home / "bad.tar.gz", home / "elsewhere")


def test_what_is_no_exported_run_is_said(home: Path) -> None:
    (home / "letter.txt").write_text("dear sirs")
    with pytest.raises(ParcelDamaged, match=r"letter\.txt"):
        unpack(home / "letter.txt", home)


def test_a_run_that_is_trained_is_not_exported_and_another_run_is_not_overwritten(parcel: Path, home: Path) -> None:
    (folder,) = (home / "runs").iterdir()
    run = Run(folder)
    writer = __import__("sqlite3").connect(folder / "run.sqlite")
    writer.execute("UPDATE run SET state = 'running'")
    writer.commit()
    lock = Lock(folder)
    with pytest.raises(WrongState, match="is being trained"):
        pack(run, home / "other.tar.gz")
    with pytest.raises(RunBusy):
        Lock(folder)
    lock.close()
    run.close()
    with pytest.raises(WrongState, match="another run"):
        unpack(parcel, home)


def test_the_command_line_exports_and_imports(recorded: Recorded, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded()
    exported = CliRunner().invoke(commands, ["runs", "export", run, "-o", str(home / "x.tar.gz"), "--json"])
    assert exported.exit_code == 0, exported.output
    monkeypatch.setenv("TESTBED_HOME", str(home / "elsewhere"))
    imported = CliRunner().invoke(commands, ["runs", "import", str(home / "x.tar.gz"), "--json"])
    assert json.loads(imported.stdout)["sha256"] == json.loads(exported.stdout)["sha256"]
    assert json.loads(CliRunner().invoke(commands, ["runs", "--json"]).stdout)["runs"][0]["run"] == run
