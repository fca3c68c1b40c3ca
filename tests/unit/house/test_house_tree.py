"""What holds for every file of the tree."""

import ast
import itertools
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = ("emulator", "nodes", "trainer", "testbed")
# Brackets keep this file from naming what it forbids.
REGISTRIES = re.compile(
    r"pypi[.]org|pythonhosted[.]org|test[.]pypi|(deb|security|snapshot)[.]debian[.]org|(archive|security|ports)[.]ubuntu[.]com"
    r"|registry[.]npmjs|crates[.]io|proxy[.]golang|repo1?[.]maven|download[.]pytorch|conda[.]anaconda|releases/downloa[d]/",
    re.IGNORECASE,
)
NAMELESS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"}


def _files() -> list[Path]:
    """What git keeps or would keep; in an unpacked archive, every file that is not hidden."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not any(p[0] == "." for p in path.relative_to(ROOT).parts)]
    return sorted({path for path in paths if path.is_file() and not path.is_symlink()})


def _sources() -> list[Path]:
    return [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]


def _function_lengths() -> dict[str, int]:
    """Lines of each function, docstring left out."""
    lengths = {}
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                doc = node.body[0] if ast.get_docstring(node) else None
                docstring = (doc.end_lineno or 0) - doc.lineno + 1 if doc else 0
                length = (node.end_lineno or 0) - node.lineno + 1 - docstring
                lengths[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = length
    return lengths


def test_no_file_names_a_package_registry() -> None:
    found = []
    for path in _files():
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in REGISTRIES.finditer(text)]
    assert not found, "\n".join(found)


def test_every_module_has_a_name_that_says_what_it_is() -> None:
    assert not [str(path) for path in _sources() if path.stem in NAMELESS]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_longer_than_a_reader_can_hold(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


def test_functions_are_short() -> None:
    lengths = sorted(_function_lengths().values())
    assert statistics.median(lengths) < 12
    assert lengths[len(lengths) * 9 // 10] < 40, sorted(_function_lengths().items(), key=lambda item: -item[1])[:20]


def test_every_suppression_gives_its_reason() -> None:
    """On its own line or in a comment on the line above."""
    bare = re.compile(r"#\s*(noqa|type:\s*ignore)(:\s*[\w, ]+|\[[\w, -]+\])?\s*$")
    found = []
    for path in _sources():
        lines = ["", *path.read_text().splitlines()]
        for number, (above, line) in enumerate(itertools.pairwise(lines), 1):
            if bare.search(line) and not above.lstrip().startswith("#"):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))
