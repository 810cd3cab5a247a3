"""The log of a place: bounded, whatever writes to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from idoldbg.farm.log import BoundedLog


def write(log: BoundedLog, code: str) -> None:
    subprocess.run([sys.executable, "-P", "-c", code], stdout=log.writer, check=True, timeout=60)


def test_short_logs_are_kept_unchanged(tmp_path: Path) -> None:
    with BoundedLog(tmp_path / "log", head=100, tail=10) as log:
        write(log, "print('x' * 109)")
    assert (tmp_path / "log").read_bytes() == b"x" * 109 + b"\n"


def test_of_too_much_the_middle_is_left_out(tmp_path: Path) -> None:
    with BoundedLog(tmp_path / "log", head=1000, tail=100) as log:
        write(log, "[print(f'{n:09}') for n in range(300_000)]")
    whole = (tmp_path / "log").read_bytes()
    head, tail = whole[:1000], whole[-100:]
    assert head == b"".join(b"%09d\n" % n for n in range(100))
    assert tail == b"".join(b"%09d\n" % n for n in range(299_990, 300_000))
    assert whole[1000:-100].decode() == "\n[… 2998900 bytes left out …]\n"


def test_a_process_that_keeps_the_pipe_is_not_waited_for(tmp_path: Path) -> None:
    with BoundedLog(tmp_path / "log") as log:
        os.write(log.writer, b"said\n")
        sleeper = subprocess.Popen(
            [sys.executable, "-P", "-c", "input()"], stdin=subprocess.PIPE, stdout=log.writer
        )
    assert (tmp_path / "log").read_bytes() == b"said\n"
    sleeper.communicate(b"\n", timeout=60)


def test_a_full_disk_does_not_block_writers() -> None:
    with BoundedLog(Path("/dev/full")) as log:
        write(log, "print('x' * 1_000_000)")
