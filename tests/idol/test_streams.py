"""Both commands where the locale's encoding lacks characters that they print."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

TEXT = '// ✓\nInterface(name: "X", ops: {"a": (doc: "… ✓", reply: Simple("u8"))}, bogus: "✓")\n'


def environment(encoding: str) -> dict[str, str]:
    return {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}


@pytest.mark.parametrize(
    ("encoding", "command", "shown"),
    [
        ("latin-1", "idol check -", 'bogus: "✓"'),
        ("ascii", "idol fmt -", '"… ✓"'),
        ("latin-1", "idoldbg types TaskState --task kernel", "├─"),
        ("cp1252", "idoldbg audit --format markdown", "✅"),
    ],
)
def test_pipes_get_utf_8(encoding: str, command: str, shown: str) -> None:
    text = TEXT if "check" in command else TEXT.replace(', bogus: "✓"', "")
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command.split()],
        input=text.encode(),
        env=environment(encoding),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert shown in (done.stdout + done.stderr).decode()
    assert done.returncode == ("check" in command)


def test_terminals_get_the_colours_they_support() -> None:
    primary, terminal = pty.openpty()
    command = [sys.executable, "-P", "-m", "idoldbg", "types", "TaskState", "--task", "kernel"]
    process = subprocess.Popen(command, stdout=terminal, env=environment("latin-1"))
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(primary, 65536):
            shown += part
    except OSError:
        pass  # Linux: the last one who had the terminal is gone
    os.close(primary)
    assert process.wait(timeout=60) == 0
    assert b"??" in shown and b"Healthy" in shown
