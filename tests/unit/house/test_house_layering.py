"""Arrows point down only: testbed → trainer → nodes → emulator."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("emulator", "nodes", "trainer", "testbed")
DICOM = {"pydicom", "pynetdicom", "pyorthanc", "dicomweb_client"}
FORBIDDEN = {
    "emulator": {"nodes", "trainer", "testbed", "torch", *DICOM},
    "nodes": {"trainer", "testbed", "torch"},
    "trainer": {"testbed"},
    "trainer/algorithms": {"httpx", "fastapi", "socket", "logging"},
}


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []


def _imports(folder: str) -> Iterator[tuple[str, str]]:
    """Each import under `folder`, wherever in a file it stands, as (file:line, top-level package)."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            for module in _modules(node):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", module.split(".")[0]


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_layer_imports_nothing_above_it_and_nothing_foreign_to_it(folder: str) -> None:
    found = [f"{place} imports {module}" for place, module in _imports(folder) if module in FORBIDDEN[folder]]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_reaches_up_out_of_itself_by_dots(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        depth = len(path.relative_to(ROOT).parts) - 1
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth, f"{path.relative_to(ROOT)}:{node.lineno}"
