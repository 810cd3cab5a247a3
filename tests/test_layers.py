"""The arrows between modules, read from their imports.

The table is that of CONTRIBUTING.md: an import points from a later layer to an earlier one, and
each third-party package has its one room.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# First match wins; a name stands for itself and everything below it.
LAYERS: tuple[tuple[str, int], ...] = (
    ("idoldbg.errors", 0),
    ("idoldbg.types", 0),
    ("idoldbg.values", 0),
    ("idoldbg.memory", 0),
    ("idoldbg.symbols", 0),
    ("idoldbg.archive", 0),
    ("idoldbg.target", 0),
    ("idoldbg.near", 0),
    ("idoldbg.seconds", 0),
    ("idoldbg._vendor", 0),
    ("idol", 0),
    ("idoldbg.codec", 1),
    ("idoldbg.hif", 1),
    ("idoldbg.hiffy", 1),
    ("idoldbg.arguments", 1),
    ("idoldbg.debuginfo", 1),
    ("idoldbg.index", 1),
    ("idoldbg.resolver", 2),
    ("idoldbg.kept", 2),
    ("idoldbg.program", 2),
    ("idoldbg.views", 2),
    ("idoldbg.calls", 2),
    ("idoldbg.caller", 2),
    ("idoldbg.supervisor", 2),
    ("idoldbg.audit", 2),
    ("idoldbg.render", 2),
    ("idoldbg.load", 3),
    ("idoldbg.link", 3),
    ("idoldbg.emu", 3),
    ("idoldbg._images", 3),
    ("idoldbg._targets", 3),
    ("idoldbg.opening", 4),
    ("idoldbg.session", 4),
    ("idoldbg.flashing", 4),
    ("idoldbg.board_server", 4),
    ("idoldbg.device", 4),
    ("idoldbg.stubs", 4),
    ("idoldbg.cli", 4),
    ("idoldbg.pyocd_plugin", 4),
    ("idoldbg.pytest_plugin", 4),
    ("idoldbg.labgrid", 4),
    ("idoldbg.farm", 4),
    ("idoldbg.__main__", 4),
)

# Edges know nothing of questions; they meet only in `idoldbg.session`.
EDGES = ("idoldbg.load", "idoldbg.link", "idoldbg.emu", "idoldbg._targets")
QUESTIONS = (
    "idoldbg.resolver",
    "idoldbg.program",
    "idoldbg.views",
    "idoldbg.calls",
    "idoldbg.caller",
    "idoldbg.supervisor",
    "idoldbg.audit",
    "idoldbg.render",
)

THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "elftools": ("idoldbg.debuginfo", "idoldbg.load"),
    "pyocd": (
        "idoldbg.link.pyocd",
        "idoldbg.link.pyocd_errors",
        "idoldbg.link.pyocd_flash",
        "idoldbg.link.pyocd_memory",
        "idoldbg.link.pyocd_probes",
        "idoldbg.link.pyocd_remote",
        "idoldbg.pyocd_plugin",
    ),
    "unicorn": ("idoldbg.emu",),
    "click": ("idoldbg.cli",),
    "prompt_toolkit": ("idoldbg.cli.shell",),
    "labgrid": ("idoldbg.labgrid", "idoldbg.farm.coordinator"),
    "grpc": ("idoldbg.farm.coordinator",),
    "pytest": ("idoldbg.pytest_plugin",),
}


def below(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer_of(module: str) -> int | None:
    for name, layer in LAYERS:
        if below(module, name):
            return layer
    return None


def python_files() -> Iterator[tuple[str, Path]]:
    for top in ("idol", "idoldbg"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(module: str, path: Path) -> Iterator[tuple[str, int]]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, base] if base else up)
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno


MODULES = dict(python_files())


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_to_earlier_layers(module: str) -> None:
    wrong = []
    layer = layer_of(module)
    for target, line in imports(module, MODULES[module]):
        where = f"{module}:{line} imports {target}"
        top = target.partition(".")[0]
        if top in THIRD_PARTY and not any(below(module, room) for room in THIRD_PARTY[top]):
            wrong.append(f"{where}, which belongs in {THIRD_PARTY[top]}")
        if module.startswith("idol.") or module == "idol":
            if top not in {"idol", "__future__"} and top not in sys.stdlib_module_names:
                wrong.append(f"{where}, but `idol` uses the standard library alone")
            continue
        if below(target, "idol.rust") or below(target, "idol.cli"):
            wrong.append(f"{where}: the debugger reads Idol, it does not generate")
        target_layer = layer_of(target)
        if layer is None or target_layer is None or below(target, "idol"):
            continue
        if target_layer > layer:
            wrong.append(f"{where}, a later layer ({target_layer} > {layer})")
        if any(below(module, e) for e in EDGES) and any(below(target, q) for q in QUESTIONS):
            wrong.append(f"{where}: an edge does not know the questions")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("idoldbg.")])
def test_every_module_has_a_layer(module: str) -> None:
    assert layer_of(module) is not None, f"give {module} a row in LAYERS"


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("idoldbg, idol", ("click", "pyocd", "unicorn", "elftools")),
        ("idoldbg.cli", ("pyocd", "unicorn", "elftools")),
        (
            "idoldbg.caller, idoldbg.opening",
            ("idol.reader", "idol.rust_type", "idoldbg.resolver.resolve", "inspect", "json"),
        ),
    ],
)
def test_importing_the_packages_stays_cheap(modules: str, unwanted: tuple[str, ...]) -> None:
    """The warm path of a call starts in tens of milliseconds only if this holds."""
    code = f"import sys, {modules}\nprint([m for m in {unwanted} if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_package_list_matches_the_folders() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"idoldbg._images", "idoldbg._targets"}
    for top in ("idol", "idoldbg"):
        for init in (ROOT / top).rglob("__init__.py"):
            found.add(".".join(init.parent.relative_to(ROOT).parts))
    assert sorted(listed) == sorted(found)


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_readable(module: str) -> None:
    """Soft budget of the design: about 500 lines; past 600 a module wants to be two."""
    assert len(MODULES[module].read_text().splitlines()) <= 600
