"""`./dev`, run for real on a small project of its own: nothing here needs a network or touches the system."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = Path(sys.executable).parent  # has uv and ansible-playbook
DIST_INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}
# A build backend that can be held half-way: it says so in the file `reached`, and waits while `hold` exists.
BACKEND = """
import pathlib, time, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    pathlib.Path("reached").touch()
    while pathlib.Path("hold").exists():
        time.sleep(0.02)
    with zipfile.ZipFile(pathlib.Path(folder) / "tiny-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.pth", str(pathlib.Path.cwd()))
        for name, text in %r.items():
            wheel.writestr("tiny-1.dist-info/" + name, text.format(name="tiny"))
    return "tiny-1-py3-none-any.whl"
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1"
"""


def _write_lock(
    folder: Path, digest: str | None = None, package: str = "leaf", lock: str = "requirements.lock"
) -> None:
    """A lock of one package that lies beside it, so that no index is asked."""
    wheel = folder / f"{package}-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{package}.py", "")
        for name, text in DIST_INFO.items():
            archive.writestr(f"{package}-1.dist-info/{name}", text.format(name=package))
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / lock).write_text(f"./{wheel.name} --hash=sha256:{digest}\n")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    folder = tmp_path / "a house"  # with a space: some people have one
    shutil.copytree(ROOT / "ansible", folder / "ansible", symlinks=True)
    shutil.copy(ROOT / "dev", folder / "dev")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND % DIST_INFO)
    _write_lock(folder)
    return folder


def _environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "UV_OFFLINE": "1",
        "DEV_SKIP_HOST": "1",
        "PKG_CONFIG_LIBDIR": "/nowhere",  # there is no libvirt to compile anything against
    } | more


def _dev(house: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(house / "dev"), *words],
        env=_environment(**more),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def _leftovers(house: Path) -> set[str]:
    return {path.name for path in house.glob(".venv*")}


def _interrupted(house: Path, by: signal.Signals) -> subprocess.Popen[bytes]:
    """`./dev install`, hit by a signal while the project is being installed."""
    (house / "hold").touch()
    process = subprocess.Popen(
        ["./dev", "install"], cwd=house, env=_environment(), start_new_session=True, stderr=subprocess.DEVNULL
    )
    _until(lambda: (house / "reached").exists(), "the build to begin")
    os.killpg(process.pid, by)
    process.wait(timeout=60)
    (house / "hold").unlink()
    return process


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited 60 s for {what}"
        time.sleep(0.02)


def test_help_installs_nothing(house: Path) -> None:
    told = _dev(house, "help")
    assert told.returncode == 0
    assert all(word in told.stdout for word in ("demo", "test", "testbed", "bench", "install"))
    assert not _leftovers(house)


def test_an_unknown_command_is_wrong_usage(house: Path) -> None:
    told = _dev(house, "tset")
    assert told.returncode == 2
    assert "no command 'tset'" in told.stderr


def test_an_environment_is_made_once(house: Path) -> None:
    first = _dev(house, "install")
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    made = (house / ".venv").stat().st_ino
    python = house / ".venv" / "bin" / "python"
    subprocess.run([str(python), "-c", "import leaf"], check=True)
    assert _dev(house, "install").returncode == 0
    assert (house / ".venv").stat().st_ino == made
    assert _leftovers(house) == {".venv"}


def test_a_changed_lock_makes_the_environment_again(house: Path) -> None:
    _dev(house, "install")
    made = (house / ".venv" / "made-from").read_text()
    with (house / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert _dev(house, "install").returncode == 0
    assert (house / ".venv" / "made-from").read_text() != made


def test_a_package_with_another_hash_is_refused_and_the_old_environment_stays(house: Path) -> None:
    _dev(house, "install")
    made = (house / ".venv").stat().st_ino
    _write_lock(house, digest="0" * 64)
    told = _dev(house, "install")
    assert told.returncode == 3
    assert "Hash mismatch" in told.stderr
    assert (house / ".venv").stat().st_ino == made
    assert _leftovers(house) == {".venv"}


def test_after_kill_9_no_half_environment_passes_for_a_whole_one(house: Path) -> None:
    _interrupted(house, signal.SIGKILL)
    assert not (house / ".venv").exists()
    assert _dev(house, "install").returncode == 0
    assert _leftovers(house) == {".venv"}


def test_ctrl_c_leaves_nothing_half_made(house: Path) -> None:
    assert _interrupted(house, signal.SIGINT).returncode == 130
    assert not _leftovers(house)


def test_two_at_once_make_one_environment(house: Path) -> None:
    (house / "hold").touch()
    both = [
        subprocess.Popen(["./dev", "install"], cwd=house, env=_environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    _until(lambda: (house / "reached").exists(), "the build to begin")
    (house / "hold").unlink()
    told = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("making .venv" in text for text in told) == 1


def test_without_a_recent_python_it_says_which_one_it_wants(house: Path) -> None:
    told = _dev(house, "install", PYTHON="/bin/false")
    assert told.returncode == 3
    assert "Python 3.11" in told.stderr


def _path_without(folder: Path, *programs: str) -> str:
    """A PATH with all programs of this system but those."""
    folder.mkdir()
    for place in [str(TOOLS), *os.environ["PATH"].split(":"), "/usr/bin", "/bin"]:
        for program in Path(place).glob("*"):
            if program.name not in programs and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return str(folder)


def _with_host(house: Path, packages: str, builds: str = "[]") -> None:
    """An environment that can play the role, and a role that wants these packages and builds."""
    _dev(house, "install")
    (house / ".venv" / "bin" / "ansible-playbook").symlink_to(TOOLS / "ansible-playbook")
    (house / "ansible" / "roles" / "host" / "defaults" / "main.yml").write_text(f"{packages}host_builds: {builds}\n")


def test_without_apt_it_names_the_packages_that_are_missing_and_only_those(house: Path, tmp_path: Path) -> None:
    _with_host(
        house,
        """host_packages:
  - {name: there, witness: sh}
  - {name: gone, witness: no-such-program}
  - {name: gone-file, witness: /no/such/file}
  - {name: only-for-tests, witness: no-such-program, tests: true}
""",
    )
    path = _path_without(tmp_path / "bin", "apt-get", "apt-cache", "sudo")
    told = _dev(house, "install", DEV_SKIP_HOST="", PATH=path)
    assert told.returncode == 3, told.stderr
    assert told.stderr.strip().endswith(": gone gone-file")
    assert _dev(house, "install", "--tests", DEV_SKIP_HOST="", PATH=path).stderr.strip().endswith(" only-for-tests")


def test_a_host_that_has_everything_needs_no_rights(house: Path, tmp_path: Path) -> None:
    _with_host(
        house,
        """host_packages:
  - {name: there, witness: sh}
  - {name: nice, witness: no-such-program, optional: true}
""",
    )
    path = _path_without(tmp_path / "bin", "apt-get", "apt-cache", "sudo")
    told = _dev(house, "install", DEV_SKIP_HOST="", PATH=path)
    assert told.returncode == 0, told.stderr
    assert (house / ".venv" / "host-run").exists()
    assert not (house / ".venv" / "host-tests").exists()


def test_without_rights_it_goes_on_without_what_would_be_built(house: Path, tmp_path: Path) -> None:
    builds = "[{name: a-build, witness: no-such-program, tests: true}, {name: built, witness: sh}]"
    _with_host(house, "host_packages: [{name: there, witness: sh}]\n", builds)
    path = _path_without(tmp_path / "bin", "apt-get", "apt-cache", "sudo")
    told = _dev(house, "install", "--tests", DEV_SKIP_HOST="", PATH=path)
    assert told.returncode == 0, told.stderr
    assert told.stderr.strip().endswith("going on without a-build")
    assert "a-build" not in _dev(house, "install", DEV_SKIP_HOST="", PATH=path).stderr


def _with_libvirt(house: Path, digest: str | None = None) -> dict[str, str]:
    """A system that says it has libvirt's headers, and a lock of what is compiled against them."""
    _write_lock(house, digest, package="twig", lock="requirements-vm.lock")
    (house / "libvirt.pc").write_text("Name: libvirt\nDescription: headers\nVersion: 9\n")
    return {"PKG_CONFIG_LIBDIR": str(house)}


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="pkg-config is not installed")
def test_bindings_are_compiled_once_where_the_system_has_libvirt(house: Path) -> None:
    libvirt = _with_libvirt(house)
    told = _dev(house, "install", **libvirt)
    assert told.returncode == 0, told.stderr
    subprocess.run([str(house / ".venv" / "bin" / "python"), "-c", "import leaf, twig"], check=True)
    assert "bindings" in told.stderr
    assert "bindings" not in _dev(house, "install", **libvirt).stderr


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="pkg-config is not installed")
def test_without_bindings_all_else_goes_on_until_they_are_asked_for_by_name(house: Path) -> None:
    libvirt = _with_libvirt(house, digest="0" * 64)
    told = _dev(house, "install", **libvirt)
    assert told.returncode == 0, told.stderr
    assert "going on without virtual machines" in told.stderr
    assert "libvirt" not in _dev(house, "install", **libvirt).stderr
    assert "going on without virtual machines" in _dev(house, "install", "--tests", **libvirt).stderr


BUILDS = ("dcmjs-dimse", "orthanc_release", "tiny-pacs", "toxiproxy")
SCRIPTS = (
    "dev",
    *(f"ansible/roles/host/files/{name}.sh" for name in BUILDS),
    "ansible/roles/packages/files/survey.sh",
    "ansible/roles/guest/files/kernel.sh",
    "ansible/roles/guest/files/sshd",
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_shell_scripts_are_clean(script: str) -> None:
    subprocess.run(["sh", "-n", script], cwd=ROOT, check=True)
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    subprocess.run(["shellcheck", script], cwd=ROOT, check=True)
