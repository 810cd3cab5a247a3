"""gdb's first commands hold nothing of a build, whatever its tasks are called."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from idoldbg.build.load import open_build
from idoldbg.errors import ArchiveError, ArgumentError
from idoldbg.gdb.script import connect, open_core, quoted, select_thread, symbol_commands
from idoldbg.gdb.symbols import SymbolFiles, plain_name, write_symbol_files
from idoldbg.session import demo_archive

HOSTILE = (
    "../../../etc/passwd", 'a"\nshell touch /tmp/x\n"', "$(reboot)", "-x evil", "!sh", "é\x1b[2J",
    "a b", "", ".", "..", "%s%n", "x" * 5000, "| sh", "python print(1)",
)  # fmt: skip


def hostile_archive(*names: str) -> Any:
    """Return the demo build with tasks of these names."""
    real = open_build(str(demo_archive("stm32f4-discovery"))).archive
    tasks = tuple(SimpleNamespace(index=i, name=n) for i, n in enumerate(names))
    return SimpleNamespace(
        path="evil.zip",
        object_names=("kernel", *names),
        tasks=tasks,
        prefetch=lambda wanted: None,
        object_bytes=lambda name: real.object_bytes("kernel" if name == "kernel" else "spi"),
    )


def test_names_of_tasks_do_not_become_commands_or_paths(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    files = write_symbol_files(hostile_archive(*HOSTILE), folder)
    assert len(files.tasks) == len(HOSTILE) == len(set(files.tasks))
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        p.name for p in (files.kernel, *files.tasks)
    )
    assert not [p for p in tmp_path.iterdir() if p != folder]
    for line in symbol_commands(files):
        assert re.fullmatch(r"[A-Za-z0-9_./ -]+", line)
        verb = shlex.split(line)[0]
        assert verb in ("set", "file", "add-symbol-file")
    for name in HOSTILE:
        assert re.fullmatch(r"[A-Za-z0-9_-]{0,40}", plain_name(name))


def test_a_task_whose_file_is_not_elf_is_left_out_and_named(tmp_path: Path) -> None:
    archive = hostile_archive("spi", "damaged")
    whole = archive.object_bytes
    archive.object_bytes = lambda name: b"no" if name == "damaged" else whole(name)
    files = write_symbol_files(archive, tmp_path)
    assert [p.name for p in files.tasks] == ["task-0-spi.elf"]
    assert files.problems == ("gdb has no symbols of task `damaged`: damaged: not an ELF file",)


def test_a_build_without_a_kernel_is_refused(tmp_path: Path) -> None:
    archive = hostile_archive("spi")
    archive.object_names = ("spi",)
    with pytest.raises(ArchiveError, match="no kernel"):
        write_symbol_files(archive, tmp_path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/tmp/a-b_c.elf", "/tmp/a-b_c.elf"),
        ("/tmp/a b", '"/tmp/a b"'),
        ('/t"m\\p', '"/t\\"m\\\\p"'),
    ],
)
def test_paths_are_quoted_where_they_must_be(path: str, expected: str) -> None:
    assert quoted(Path(path)) == expected


def test_a_path_that_would_end_a_command_is_refused() -> None:
    with pytest.raises(ArgumentError, match="gdb cannot be told of the path"):
        quoted(Path("/tmp/a\nshell id"))
    files = SymbolFiles(Path("/k"), ())
    with pytest.raises(ArgumentError, match="colon"):
        symbol_commands(files, Path("/a:b"))


def test_threads_of_a_core_have_plain_names() -> None:
    assert open_core(Path("/c/core"), ("idle", "user_leds"), 2) == [
        "core-file /c/core",
        "thread apply 1 -q -s thread name idle",
        "thread apply 2 -q -s thread name user_leds",
        "thread 2",
    ]
    for name in ("a b", "a\nshell id", "", "|sh"):
        with pytest.raises(ArgumentError):
            open_core(Path("/c/core"), (name,), None)
    with pytest.raises(ArgumentError, match="TMPDIR"):
        open_core(Path("/c d/core"), (), None)


def test_numbers_are_all_that_is_put_into_commands() -> None:
    assert connect(3333) == "target remote 127.0.0.1:3333"
    assert "19 in t.ptid[1:]" in select_thread(19)
