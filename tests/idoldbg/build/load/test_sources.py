"""The version of the code that finds results changes with every module that they depend on."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from idoldbg.build.cache import Cache
from idoldbg.build.load import open_build
from idoldbg.build.load import sources as code
from idoldbg.build.load.sources import ROOTS, code_version, find_modules
from tests.conftest import ARCHIVES
from tests.test_layers import MODULES, ROOT, imports

PACKAGES = {"elftools", "idol", "idoldbg"}


@pytest.fixture(scope="module")
def needed() -> set[str]:
    return set(find_modules(code._find_folders()))


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every module that results depend on, in a folder of its own, as an old installation."""
    for name, (path, source) in find_modules(code._find_folders()).items():
        suffix = "/__init__.py" if path.endswith("__init__.py") else ".py"
        copy = tmp_path / f"{name.replace('.', '/')}{suffix}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source)
    monkeypatch.setattr(code, "RACY_NS", -1)
    monkeypatch.setattr(code, "_BEGAN_NS", 1 << 62)
    return tmp_path


def change(path: Path) -> None:
    """Change one character, but neither the size of the file nor its modification time."""
    before = path.stat()
    raw = path.read_bytes() or b" "
    path.write_bytes(raw[:-1] + (b" " if raw[-1:] == b"\n" else b"\n"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_any_module_that_changes_makes_another_version(tree: Path) -> None:
    cache = Cache(tree / "cache")
    versions = {code_version(cache, [str(tree)])}
    paths = sorted(tree.rglob("*.py"))
    assert {path.relative_to(tree).parts[0] for path in paths} == PACKAGES
    for count, path in enumerate(paths, 1):
        change(path)
        versions.add(code_version(cache, [str(tree)]))
        assert len(versions) == 1 + count, path
    assert None not in versions


def test_the_same_code_elsewhere_is_the_same_version(tree: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = code_version(cache, [str(tree)])
    for package in PACKAGES:
        shutil.copytree(tree / package, tmp_path / "other" / package)
    assert code_version(cache, [str(tmp_path / "other")]) == first
    assert code_version(cache) == first


def test_known_results_are_not_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tree / "cache")
    first = code_version(cache, [str(tree)])
    monkeypatch.setattr(code, "find_modules", lambda *_: pytest.fail("sources were read"))
    assert code_version(cache, [str(tree)]) == first


def without_last_line(text: str) -> str:
    return text.rpartition("\n")[0]


def of_another_version(text: str) -> str:
    return "0" * 64 + text[64:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "nonsense",
        lambda text: text.replace(" ", "\t"),
        without_last_line,
        of_another_version,
    ],
)
def test_a_damaged_note_is_made_anew(damage: Callable[[str], str], tree: Path) -> None:
    cache = Cache(tree / "cache")
    first = code_version(cache, [str(tree)])
    (note,) = (tree / "cache" / "code").iterdir()
    good = note.read_text()
    note.write_text(damage(good))
    assert code_version(cache, [str(tree)]) == first
    assert note.read_text() == good


def test_files_that_were_just_written_are_read_each_time(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They could change once more within the same tick of the file system's clock."""
    monkeypatch.setattr(code, "RACY_NS", 1 << 62)
    assert code_version(Cache(tree / "cache"), [str(tree)])
    assert not (tree / "cache" / "code").exists()


def test_code_that_changed_after_the_start_is_of_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process does not run it: what it finds is not what that code finds."""
    monkeypatch.setattr(code, "_BEGAN_NS", 0)
    cache = Cache(tmp_path / "cache", notify=(notes := []).append)
    build = open_build(ARCHIVES / "stm32f4-discovery.zip", cache=cache)
    assert build.archive.tasks
    build.save()
    assert cache.entries() == ()
    assert any("files changed after" in note for note in notes)


# ---- which modules ------------------------------------------------------------------------------


def test_imports_are_followed(needed: set[str]) -> None:
    """As `ast` reads them, in whatever form they stand."""
    missing = [
        f"{module} imports {target}"
        for module in needed & MODULES.keys() - {"idoldbg"}
        for name, _ in imports(module, MODULES[module])
        for target in (name, name.rpartition(".")[0])
        if target in MODULES and target not in needed
    ]
    assert not missing, "\n".join(missing)


def test_nothing_else_is_imported(needed: set[str]) -> None:
    tops = {
        name.partition(".")[0]
        for module in needed & MODULES.keys() - {"idoldbg"}
        for name, _ in imports(module, MODULES[module])
    }
    assert tops - sys.stdlib_module_names - {"_sha2"} <= PACKAGES  # Python 3.12 has it


def test_every_result_is_found_in_one_of_them(needed: set[str]) -> None:
    finders = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("recall", "recall_settled")
    }
    assert set(ROOTS) - {"idoldbg.build.load"} <= finders <= needed


def test_modules_loaded_to_find_results_are_among_them(needed: set[str]) -> None:
    script = """
import sys
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.call.opener import open_hiffy
from idoldbg.views.tasks import table_address, task_type
from idoldbg.views.types import read_types
build = open_build(sys.argv[1])
program = Program(build.archive, build)
program.operation("Spi.exchange")
open_hiffy(program, None).mailbox
table_address(program), task_type(program), read_types(program, "Status")
build.archive.facts, build.archive.flash_segments()
print(*sys.modules)
"""
    argv = [sys.executable, "-c", script, str(ARCHIVES / "stm32f4-discovery.zip")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.partition(".")[0] in PACKAGES}
    assert len(loaded) > 60
    assert loaded <= needed
