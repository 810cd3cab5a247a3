"""The guides, followed as a reader would: files are written, commands are run, outputs compared.

A fenced block whose first line is a comment with a file name is that file. In `console` blocks,
lines that begin with `$` are commands; the lines below must appear in the output, in this order,
where `…` stands for anything and spaces at the ends do not count. `<!-- exits with N -->` before a
block is the exit status of its last command.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from idoldbg.session import demo_archive
from tests.conftest import free_port
from tests.tools import need, need_localhost

DOCS = Path(__file__).resolve().parents[2] / "docs"
LIMIT_S = 300  # reached by no command, also on a machine that does other things
_FENCE = re.compile(
    r"(?:<!-- exits with (?P<status>\d+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"##? (?P<name>[\w.-]+\.\w+)\n")


@dataclass
class Step:
    """One command, what it must say, and its exit status."""

    command: str
    expected: list[str]
    status: int


@dataclass
class File:
    """A file that the reader writes at this point."""

    name: str
    text: str


def read_guide(name: str) -> list[Step | File]:
    """Return what the reader does, in order."""
    actions: list[Step | File] = []
    for block in _FENCE.finditer((DOCS / name).read_text()):
        text = block["text"]
        if block["language"] == "console":
            steps: list[Step] = []
            for line in text.splitlines():
                if line.startswith("$ "):
                    steps.append(Step(line[2:], [], 0))
                elif line.strip():
                    steps[-1].expected.append(line)
            assert steps, f"{name}: a console block without a command:\n{text}"
            steps[-1].status = int(block["status"] or 0)
            actions += steps
        elif match := _FILE.match(text):
            actions.append(File(match["name"], text))
    return actions


def tool_path() -> str:
    """Find idoldbg, pytest and labgrid's programs where this Python has them."""
    folders = [Path(sys.executable).parent]
    for package in ("labgrid", "pytest"):
        found = find_spec(package)
        if found is not None and found.origin is not None:
            folders.append(Path(found.origin).parents[4] / "bin")
    return os.pathsep.join([*map(str, folders), os.environ["PATH"]])


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """One shell for a whole guide, so that background jobs live as long as it does."""
    environment = {
        **os.environ,
        "PATH": tool_path(),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "COLUMNS": "160",
    }
    for name in [n for n in environment if n.startswith(("IDOLDBG_", "PYTEST_", "LG_PLACE"))]:
        del environment[name]
    environment["IDOLDBG_TIMEOUT"] = "60"  # patience, on a machine that does other things
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "work").mkdir()
    # Its own python first: `idoldbg` and `pytest` must be those of the tree under test.
    (tmp_path / "bin").mkdir()
    for tool, module in (("pytest", "pytest"), ("idoldbg", "idoldbg")):
        script = tmp_path / "bin" / tool
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        script.chmod(0o755)
    environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"
    process = subprocess.Popen(
        ["bash", "--norc"], cwd=tmp_path / "work", env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    yield process
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    # A guide that failed half-way has left its boards.
    stop = [str(tmp_path / "bin" / "idoldbg"), "board", "stop", "--all"]
    subprocess.run(stop, env=environment, check=True, capture_output=True, timeout=60)


def run(shell: subprocess.Popen[str], command: str) -> tuple[str, int]:
    """Run one command in the shell; return its output and exit status."""
    assert shell.stdin is not None and shell.stdout is not None
    end = "=== done: "
    # Without its own input: a command would read the commands to come.
    shell.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{end}%s\\n' $?\n")
    shell.stdin.flush()
    output = []
    limit = threading.Timer(LIMIT_S, os.killpg, (shell.pid, signal.SIGKILL))
    limit.start()
    try:
        for line in shell.stdout:
            if line.startswith(end):
                return "".join(output), int(line.removeprefix(end))
            output.append(line)
    finally:
        limit.cancel()
    raise AssertionError(f"`{command}` did not end in {LIMIT_S} s:\n{''.join(output)}")


def check(step: Step, output: str, status: int) -> None:
    lines = iter(output.splitlines())
    for wanted in step.expected:
        pattern = ".*".join(re.escape(part) for part in wanted.strip().split("…"))
        found = any(re.search(pattern, line) for line in lines)
        assert found, f"$ {step.command}\nlacks `{wanted}` (in this order):\n{output}"
    assert status == step.status, f"$ {step.command}\nended with {status}:\n{output}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "guide",
    [
        "tutorial.md",
        "find-stack-leak.md",
        "debugging.md",
        "first-hardware-test.md",
        "from-desk-to-lab.md",
        "board-files.md",
        "devices.md",
        "gdb.md",
        "time-travel.md",
        "faults.md",
    ],
)
def test_guide_works_as_written(guide: str, shell: subprocess.Popen[str], tmp_path: Path) -> None:
    actions = read_guide(guide)
    if any(isinstance(a, Step) and "labgrid" in a.command for a in actions):
        pytest.importorskip("labgrid")
    if guide == "gdb.md":
        need("gdb-multiarch", of="gdb-multiarch")
        need_localhost()
    shutil.copy(demo_archive("stm32f4-discovery"), tmp_path / "work" / "build.zip")
    port = str(free_port())  # instead of labgrid's own, which a real lab may be using
    run(shell, f"export LG_COORDINATOR=127.0.0.1:{port}")
    for action in actions:
        if isinstance(action, File):
            (tmp_path / "work" / action.name).write_text(action.text)
        else:
            check(action, *run(shell, action.command.replace("20408", port)))
