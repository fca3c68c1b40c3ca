"""Baking with the real server in real namespaces; needs root or user namespaces, Orthanc and mricron-data."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from emulator.topology.resolved import Cohort, Compute, Direction, Link, Pacs, Site
from nodes import cohorts
from nodes.errors import NoRoom, UnknownName

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
SEED = 7


def site(index: int, studies: int = 2, flavour: str = "orthanc") -> Site:
    direction = Direction(rate_bps=10**9, delay_s=0.001)
    storage, scanner = ("multi-frame", "3T-modern") if index % 2 else ("single-frame", "1.5T")
    cohort = Cohort("phantom", studies, {"control": studies - 1, "ad": 1}, scanner, ("mr", "pet"), storage)  # type: ignore[arg-type]
    link = Link("fibre", direction, direction)
    return Site(index, f"clinic-{index:02d}", "clinic", "namespace", link, Pacs("p", flavour), cohort, Compute(0.03))


SITES = [site(1), site(2)]


def quietly(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def names(shelf: Path) -> set[str]:
    return {path.name for path in shelf.iterdir()} - {".lock"}


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    cohorts.bake(SITES, SEED, cache, quietly)
    return cache


def keys(sites: list[Site]) -> set[str]:
    return {cohorts.key_of(one, SEED) for one in sites}


def test_every_site_gets_a_storage_that_passes_the_full_check(baked: Path) -> None:
    storages = cohorts.bake(SITES, SEED, baked, quietly)
    assert storages.keys() == {"clinic-01", "clinic-02"}
    assert all((storage / "index").exists() for storage in storages.values())
    assert names(baked / "cohorts") == keys(SITES)
    assert cohorts.verify(SITES, SEED, baked) == {}


def test_what_is_cached_is_not_baked_again(baked: Path) -> None:
    def fail(what: str, done: int, total: int) -> None:
        pytest.fail(f"something was made: {what}")

    cohorts.bake(SITES, SEED, baked, fail)


def test_what_would_be_baked_is_what_is_not_there_or_damaged(baked: Path, tmp_path: Path) -> None:
    third = site(3)
    storages = cohorts.storages([*SITES, third], SEED, baked)
    assert cohorts.lacking([*SITES, third], SEED, baked) == ("clinic-03",)
    assert cohorts.bake(SITES, SEED, baked, quietly) == {name: storages[name] for name in ("clinic-01", "clinic-02")}
    shutil.copytree(baked / "cohorts", tmp_path / "cohorts")
    (cohorts.storages(SITES, SEED, tmp_path)["clinic-02"].parent / "manifest.json").unlink()
    assert cohorts.lacking(SITES, SEED, tmp_path) == ("clinic-02",)


def test_two_bakes_at_once_take_turns_and_both_get_everything(tmp_path: Path) -> None:
    results: list[dict[str, Path]] = []
    threads = [
        threading.Thread(target=lambda: results.append(cohorts.bake(SITES, SEED, tmp_path, quietly))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert results[0] == results[1]
    assert cohorts.verify(SITES, SEED, tmp_path) == {}


@pytest.mark.parametrize("harm", ["index", "file", "manifest"])
def test_a_damaged_entry_is_said_and_baked_again(tmp_path: Path, harm: str) -> None:
    storage = cohorts.bake(SITES[:1], SEED, tmp_path, quietly)["clinic-01"]
    if harm == "index":
        content = bytearray((storage / "index").read_bytes())
        content[5000] ^= 0xFF
        (storage / "index").write_bytes(content)
    elif harm == "file":
        next(path for path in storage.rglob("*-*") if path.is_file()).unlink()
    else:
        (storage.parent / "manifest.json").write_text("{")
    said: list[str] = []
    again = cohorts.bake(SITES[:1], SEED, tmp_path, lambda what, done, total: said.append(what))
    assert again["clinic-01"] == storage
    assert any("clinic-01 is damaged" in line for line in said)
    assert cohorts.verify(SITES[:1], SEED, tmp_path) == {}


def test_the_full_check_finds_one_changed_byte(tmp_path: Path) -> None:
    storage = cohorts.bake(SITES[:1], SEED, tmp_path, quietly)["clinic-01"]
    victim = max((path for path in storage.rglob("*-*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    assert cohorts.verify(SITES[:1], SEED, tmp_path) == {
        "clinic-01": f"{victim.relative_to(storage).as_posix()} is changed"
    }


def test_a_killed_bake_leaves_no_process_and_the_next_one_goes_on(tmp_path: Path) -> None:
    sites = [site(1), site(2, studies=40), site(4, studies=40)]
    script = (
        "import sys; sys.path.insert(0, 'tests/integration')\n"
        "from pathlib import Path\nimport test_nodes_bake as t\nfrom nodes import cohorts\n"
        "sites = [t.site(1), t.site(2, studies=40), t.site(4, studies=40)]\n"
        "cohorts.bake(sites, t.SEED, Path(sys.argv[1]), t.quietly)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    baking = subprocess.Popen([sys.executable, "-c", script, tmp_path], cwd=ROOT, env=environment)
    shelf = tmp_path / "cohorts"
    finished = keys(sites[:1])
    _wait(lambda: shelf.exists() and finished <= names(shelf), 60)
    _wait(lambda: any("Orthanc" in process.name() for process in _family(baking)), 60)
    family = _family(baking)
    baking.send_signal(signal.SIGKILL)
    baking.wait()
    _wait(lambda: not any(process.is_running() for process in family), 60)
    assert (names(shelf) & keys(sites)) == finished
    made: list[int] = []
    cohorts.bake(sites, SEED, tmp_path, lambda what, done, total: made.append(total))
    assert made[-1] == 80  # the two sites that were lost, and not the one that was finished
    assert names(shelf) == keys(sites)
    assert cohorts.verify(sites, SEED, tmp_path) == {}


def _family(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def _wait(holds: object, within_s: float) -> None:
    assert callable(holds)
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_interrupting_a_bake_leaves_nothing_half_done(tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cohorts.bake([site(2, studies=30)], SEED, tmp_path, interrupt)
    assert names(tmp_path / "cohorts") == set()


def test_too_small_a_disk_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohorts.bakery, "_SPARE_BYTES", 2**60)
    with pytest.raises(NoRoom, match=r"MB free, and these cohorts need about"):
        cohorts.bake(SITES, SEED, tmp_path, quietly)
    assert names(tmp_path / "cohorts") == set()


_FULL = """
import subprocess, sys
from pathlib import Path
sys.path.insert(0, 'tests/integration')
import test_nodes_bake as t
from nodes import cohorts
from nodes.errors import NoRoom
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", folder], check=True)
cohorts.bakery._check_room = lambda sites, shelf: None
try:
    cohorts.bake([t.site(2, studies=60)], t.SEED, folder, t.quietly)
except NoRoom as error:
    print(error)
print(sorted(t.names(folder / "cohorts")))
"""


def test_a_disk_that_fills_up_while_baking_is_said_and_left_clean(tmp_path: Path) -> None:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    argv = ["unshare", *user, "--mount", sys.executable, "-c", _FULL, tmp_path]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = said.stdout.splitlines()
    assert "no room in" in lines[0], said.stderr
    assert "baking stopped half way" in lines[0]
    assert lines[1] == "[]"


def test_an_unknown_flavour_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'orthanc'"):
        cohorts.bake([site(1, flavour="orthanca")], SEED, tmp_path, quietly)
    assert not (tmp_path / "cohorts").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_can_bake_where_user_namespaces_are_allowed(tmp_path: Path) -> None:
    probe = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "unshare", "-Urn", "true"], check=False)
    if probe.returncode:
        pytest.skip("this kernel does not let ordinary users have namespaces")
    folder = Path("/tmp") / f"nodes-bake-{os.getpid()}"  # noqa: S108 - tmp_path is closed to other users
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    script = (
        "import sys; sys.path.insert(0, 'tests/integration')\n"
        "from pathlib import Path\nimport test_nodes_bake as t\nfrom nodes import cohorts\n"
        "cohorts.bake(t.SITES, t.SEED, Path(sys.argv[1]), t.quietly)\n"
        "print(cohorts.verify(t.SITES, t.SEED, Path(sys.argv[1])))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", script, folder]
    try:
        said = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)
    assert said.stdout.strip() == "{}", said.stderr[-800:]
