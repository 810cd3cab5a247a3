"""Every module has a test file at the same place in `tests`, or a row in CONTRIBUTING."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEADING = "### Modules without a test file of their own"
_ROW = re.compile(r"\| `([a-z_0-9.*]+)`(?:: (`[a-z_0-9., `]+`))? \| (`[a-z_0-9/., `]+`) \|")


def find_modules() -> dict[str, Path]:
    """Return name and file of every module and package that has behaviour: a function, a method."""
    modules = {}
    for top in ("idol", "idoldbg"):
        for path in (ROOT / top).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "_vendor" in parts or not _has_function(path):
                continue
            modules[".".join(parts if parts[-1] != "__init__" else parts[:-1])] = path
    return modules


def _has_function(path: Path) -> bool:
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return any(isinstance(node, functions) for node in ast.walk(ast.parse(path.read_text())))


#: A command, its view and its renderer have one test where they have one name.
SHARED = ("idoldbg.cli", "idoldbg.views", "idoldbg.render")


def own_tests(module: str) -> list[Path]:
    """Return the paths that a module's own test file may have; a package's may be inside of it."""
    package, _, name = module.rpartition(".")
    name = f"test_{name.strip('_')}.py"
    folders = [package, module, *(SHARED if package in SHARED else ())]
    return [Path("tests", *folder.split("."), name) for folder in folders]


def read_rows(text: str) -> dict[str, list[str]]:
    """Return the table's rows: a module, and its tests below `tests`.

    `x.*` means all modules of a package; one row may name several: "`idol.cli`: `check`, `doc`".
    """
    _, found, table = text.partition(HEADING)
    assert found
    rows: dict[str, list[str]] = {}
    for line in table.split("\n## ")[0].splitlines():
        match = _ROW.fullmatch(line)
        if match is not None:
            package, names, tests = match[1], match[2], re.findall(r"`([^`]+)`", match[3])
            parts = re.findall(r"`([^`]+)`", names or "")
            for module in [f"{package}.{part}" for part in parts] or [package]:
                assert module not in rows, f"{module} has two rows"
                rows[module] = tests
    return rows


def find_problems(
    modules: dict[str, Path], rows: dict[str, list[str]], root: Path = ROOT
) -> Iterator[str]:
    used = set()
    for module in modules:
        if any((root / path).is_file() for path in own_tests(module)):
            continue
        package = module.rpartition(".")[0]
        row = next((row for row in (module, f"{package}.*") if row in rows), None)
        if row is None:
            yield f"{module}: no {own_tests(module)[0]}, and no row in CONTRIBUTING.md"
        else:
            used.add(row)
    for row, tests in rows.items():
        if row not in used:
            yield f"{row}: a row without a module that needs it"
        for test in tests:
            if not (root / "tests" / test).exists():
                yield f"{row}: there is no tests/{test}"


def test_every_module_has_its_test() -> None:
    modules = find_modules()
    assert len(modules) > 300
    rows = read_rows((ROOT / "CONTRIBUTING.md").read_text())
    assert rows
    assert list(find_problems(modules, rows)) == []


@pytest.mark.parametrize(
    ("module", "rows", "problem"),
    [
        ("idol.made", {}, "idol.made: no tests/idol/test_made.py, and no row in CONTRIBUTING.md"),
        ("idol.made", {"idol.made": ["idol/no.py"]}, "idol.made: there is no tests/idol/no.py"),
        ("idol.made", {"idol.made": ["conftest.py"], "idol.gone": ["conftest.py"]},
         "idol.gone: a row without a module that needs it"),
        ("idol.near", {"idol.near": ["conftest.py"]},
         "idol.near: a row without a module that needs it"),
        ("idol.made.part", {"idol.made.*": ["conftest.py"]}, None),
        ("idol.near", {}, None),
        ("idoldbg.render.layout", {}, None),  # by the test of the view
        ("idoldbg.cli.list_", {"idoldbg.cli.list_": ["idoldbg/test_cli.py"]}, None),
    ],
)  # fmt: skip
def test_problems_are_found(module: str, rows: dict[str, list[str]], problem: str | None) -> None:
    assert list(find_problems({module: ROOT}, rows)) == [problem] * (problem is not None)
