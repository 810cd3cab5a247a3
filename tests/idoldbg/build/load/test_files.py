"""Odd files (pipes, devices, directories): nothing waits for them or reads without end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from idoldbg.build.load import open_build
from idoldbg.build.load.files import MAX_FILE_SIZE, read_regular
from idoldbg.errors import ArchiveError

LIMIT_S = 60  # a whole process on a busy machine; what would wait would wait for ever


@pytest.fixture
def oddities(tmp_path: Path) -> Iterator[Path]:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 36)
    with (tmp_path / "sparse-zip").open("wb") as file:
        file.write(b"PK\3\4")
        file.truncate(1 << 36)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
        yield tmp_path


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pipe", "it is a pipe, not a file"),
        ("zero", "it is a device, not a file"),
        ("socket", "it is a socket, not a file"),
        ("sparse", "neither a Hubris archive"),
        ("sparse-zip", f"more than {MAX_FILE_SIZE >> 20} MiB"),
        ("empty", "empty: neither a Hubris archive"),
        ("folder", "no ELF files"),
        ("none", "No such file"),
        ("loop", "Too many levels of symbolic links"),
        ("nul\0byte", "null byte"),
    ],
)
def test_builds_are_files(name: str, why: str, oddities: Path) -> None:
    with pytest.raises(ArchiveError, match=why):
        open_build(oddities / name)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("audit pipe", "pipe"),
        ("audit --diff pipe pipe", "pipe"),
        ("audit --baseline pipe", "pipe"),
        ("audit --baseline sparse", "sparse"),
        ("audit --suppressions zero", "zero"),
        ("tasks -p dump:zero", "zero"),
        ("types u8 -a sparse-zip", "sparse-zip"),
        ("list -a loop", "loop"),
    ],
)
def test_commands_refuse_them(command: str, name: str, oddities: Path) -> None:
    """In a process of its own, whose memory is limited."""
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, *command.split()],
        cwd=oddities,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith(f"error: {name}: ")
    assert done.stderr.count("\n") == 1


_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
from idoldbg.cli import main
main(sys.argv[1:])
"""


def test_files_without_a_size_are_read() -> None:
    assert read_regular(Path("/proc/self/status"), 1 << 20).startswith(b"Name:")
