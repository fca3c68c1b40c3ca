"""The lock: complete, checked by hash, and bound to no server."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "requirements.lock").read_text()
ENTRIES = [entry.replace("\\\n", " ") for entry in re.findall(r"^\S+==(?:.*\\\n)*.*", LOCK, re.MULTILINE)]
BINDINGS = (ROOT / "requirements-vm.lock").read_text()


def _locked() -> list[Requirement]:
    return [Requirement(entry.split("--hash")[0].strip()) for entry in ENTRIES]


def _asked() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["dependencies"] + project["optional-dependencies"]["dev"]]


def test_every_locked_package_has_hashes() -> None:
    assert len(ENTRIES) > 50
    for entry in ENTRIES:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_no_lock_names_an_address() -> None:
    locks = [*ROOT.glob("*.lock"), *ROOT.glob("ansible/**/*.lock"), *ROOT.glob("ansible/**/package-lock.json")]
    assert len(locks) >= 5
    assert [path.name for path in locks if "://" in path.read_text()] == []
    assert not re.search(r"^\s*-", LOCK.replace("    --hash", ""), re.MULTILINE), "an option of the installer"


def test_what_the_project_asks_for_is_locked_in_a_version_that_it_accepts() -> None:
    locked = {(canonicalize_name(r.name), next(iter(r.specifier)).version) for r in _locked()}
    for wanted in _asked():
        versions = [version for name, version in locked if name == canonicalize_name(wanted.name)]
        assert versions, f"{wanted} is not in requirements.lock: CONTRIBUTING.md says how to make it again"
        assert all(wanted.specifier.contains(version) for version in versions), f"{wanted}: locked {versions}"


def test_the_door_finds_the_locked_uv_and_what_builds_the_project() -> None:
    assert {"uv", "hatchling", "ansible-core"} <= {requirement.name for requirement in _locked()}


def test_what_libvirts_bindings_are_built_with_is_locked_as_well() -> None:
    """They are compiled without an environment of their own, so that nothing is fetched that no lock names."""
    assert re.search(r"^libvirt-python==\S+ \\\n    --hash=sha256:", BINDINGS, re.MULTILINE)
    assert "setuptools" in {requirement.name for requirement in _locked()}
