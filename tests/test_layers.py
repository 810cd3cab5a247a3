"""The arrows between modules, read from their imports.

The table is that of CONTRIBUTING.md: an import points from a later layer to an earlier one, and
each third-party package has its one room.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# One row a package, from the ground up; the longest name that fits a module is its row. An import
# points to the same row or to an earlier one. CONTRIBUTING.md shows the same rows in this order.
LAYERS: dict[str, str] = {
    "idol": "the language; standard library only",
    "idol.lsp": "the language server",
    "idoldbg._vendor": "hubpack-py",
    "idoldbg.model": "types, values, symbols, memory; archives and boards as data; errors",
    "idoldbg.devices": "base classes of users' device models",
    "idoldbg.call.codec": "bytes to values and back, a module for each wire encoding",
    "idoldbg.call.hif": "hiffy's instruction set: programs assembled, results decoded",
    "idoldbg.call.arguments": "values from text and from Python objects",
    "idoldbg.call.message": "a message to a task, and its outcome",
    "idoldbg.call.transport": "what carries messages, and its limits",
    "idoldbg.call.hiffy": "hiffy's mailbox as a state machine",
    "idoldbg.build.debuginfo": "ELF and DWARF to types, symbols and frames",
    "idoldbg.resolver": "which type a name in an interface means",
    "idoldbg.build": "builds from disk, their cache, and `Program`",
    "idoldbg.views": "questions about a build or a target, answered as data",
    "idoldbg.render.tasks": "tasks, faults and post-mortems as text, which errors of calls quote",
    "idoldbg.call": "checked calls: made, waited for, decoded",
    "idoldbg.audit": "rules about a build's debug information",
    "idoldbg.render": "answers as text, JSON, and the formats that CI reads",
    "idoldbg.target": "what all links share; core dumps; board files",
    "idoldbg.target.probe": "debug probes, through pyOCD",
    "idoldbg.target.servers": "debug servers of others: OpenOCD, and the GDB remote protocol",
    "idoldbg.target.emulated.emu": "the emulated board itself",
    "idoldbg.target.emulated": "ways to it: in this process, through a socket",
    "idoldbg.opening": "opens the build that options mean",
    "idoldbg.collected": "what several boards have recorded, and coverage of all of them",
    "idoldbg.target.emulated.pyocd_probe": "the emulated board as a debug probe for pyOCD",
    "idoldbg.target.emulated.server": (
        "boards that keep running: emulated ones, and real ones whose probe is kept"
    ),
    "idoldbg.target.schemes": "one module for each kind of SPEC",
    "idoldbg.session": "opens the target that options mean",
    "idoldbg.startup": "resets a target, waits until its firmware is up",
    "idoldbg.writing": "sets variables, writes memory",
    "idoldbg.diagnosing": "looks at a target for a diagnosis, and catches faults",
    "idoldbg.rewinding": "goes back in time on an emulated board",
    "idoldbg.injecting": "injects faults into an emulated board",
    "idoldbg.chaos": "injects many of them, and judges",
    "idoldbg.fuzzing": "makes up inputs, and judges",
    "idoldbg.flashing": "programs a board",
    "idoldbg.dumping": "takes core dumps",
    "idoldbg.gdb": "gdb on targets and core dumps: threads, symbol files, cores",
    "idoldbg.suite": "runs Hubris's own test suites",
    "idoldbg.instruments": "traces, covers and profiles an emulated board",
    "idoldbg.device": "the Python API",
    "idoldbg.stubs": "typed packages of a build's interfaces",
    "idoldbg.farm": "one suite on many boards",
    "idoldbg.labgrid": "labgrid's resources, driver and exporter",
    "idoldbg.environment": "names for boards, from files of three kinds",
    "idoldbg.pytest_plugin": "fixtures and evidence",
    "idoldbg.cli": "the commands",
}
RANKS = {name: rank for rank, name in enumerate(LAYERS)}
# Modules of the package's own folder, which are part of another row.
ROWS = {
    "idoldbg.errors": "idoldbg.model",
    "idoldbg._images": "idoldbg.model",
    "idoldbg._targets": "idoldbg.model",
    "idoldbg.__main__": "idoldbg.cli",
}

THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "pygls": ("idol.lsp",),
    "lsprotocol": ("idol.lsp",),
    "elftools": ("idoldbg.build.debuginfo", "idoldbg.build.load"),
    "pyocd": (
        "idoldbg.target.probe.link",
        "idoldbg.target.probe.errors",
        "idoldbg.target.probe.flash",
        "idoldbg.target.probe.memory",
        "idoldbg.target.probe.probes",
        "idoldbg.target.probe.remote",
        "idoldbg.target.probe.stlink",
        "idoldbg.target.probe.attaching",
        "idoldbg.target.probe.drivers",
        "idoldbg.target.emulated.pyocd_probe",
        "idoldbg.gdb.server",
        "idoldbg.gdb.rtos",
    ),
    "portalocker": ("idoldbg.target.file_lock",),
    "unicorn": ("idoldbg.target.emulated.emu",),
    "click": ("idoldbg.cli",),
    "prompt_toolkit": ("idoldbg.cli.shell",),
    "labgrid": ("idoldbg.labgrid", "idoldbg.farm.coordinator"),
    "grpc": ("idoldbg.farm.coordinator",),
    "pytest": ("idoldbg.pytest_plugin",),
}


def below(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def row_of(module: str) -> str | None:
    """Return the row of `LAYERS` that a module is in."""
    for name, row in ROWS.items():
        if below(module, name):
            return row
    return max((name for name in LAYERS if below(module, name)), key=len, default=None)


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
    row = row_of(module)
    for target, line in imports(module, MODULES[module]):
        where = f"{module}:{line} imports {target}"
        top = target.partition(".")[0]
        if top in THIRD_PARTY and not any(below(module, room) for room in THIRD_PARTY[top]):
            wrong.append(f"{where}, which belongs in {THIRD_PARTY[top]}")
        if module.startswith("idol.") or module == "idol":
            if below(target, "idol.lsp") and not below(module, "idol.lsp"):
                wrong.append(f"{where}: the language server is a later row than `idol`")
            known = {"idol", "__future__", *THIRD_PARTY}
            if top not in known and top not in sys.stdlib_module_names:
                wrong.append(f"{where}, but `idol` uses the standard library alone")
            continue
        if below(target, "idol.rust") or below(target, "idol.cli"):
            wrong.append(f"{where}: the debugger reads Idol, it does not generate")
        target_row = row_of(target)
        if row is not None and target_row is not None and RANKS[target_row] > RANKS[row]:
            wrong.append(f"{where}: `{target_row}` is a later row than `{row}`")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("idoldbg.")])
def test_every_module_has_a_layer(module: str) -> None:
    assert row_of(module) is not None, f"give {module} a row in LAYERS"


def test_contributing_shows_the_same_rows() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| `(idol(?:dbg)?[\w.]*)` \| (.*) \| (.*?) ?\|$", text, re.MULTILINE)
    third_party = {
        name: sorted(p for p, rooms in THIRD_PARTY.items() if name in map(row_of, rooms))
        for name in LAYERS
    }
    assert rows == [(name, what, ", ".join(third_party[name])) for name, what in LAYERS.items()]


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("idoldbg, idol", ("click", "pyocd", "unicorn", "elftools")),
        ("idoldbg.cli", ("pyocd", "unicorn", "elftools")),
        (
            "idoldbg.call.opener, idoldbg.opening",
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
