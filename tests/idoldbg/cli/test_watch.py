"""`idoldbg watch`, and the commands that follow: lines when something changes, an end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from itertools import pairwise

import pytest

from idoldbg.cli import run
from idoldbg.cli.watch import screen
from idoldbg.target.emulated.server import running_board

Capture = pytest.CaptureFixture[str]


def test_a_line_of_json_for_each_answer_that_differs(capsys: Capture) -> None:
    assert run(["watch", "--count", "3", "-n", "0.25", "readvar", "TICKS"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ticks = [each["source"]["ticks"] for each in found]
    assert [b - a for a, b in pairwise(ticks)] == [250, 250]
    assert run(["watch", "counters", "--count", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


REFUSED = [
    (["watch"], 2, "missing argument `COMMAND…`"),
    (["watch", "taks"], 2, "`taks` cannot be watched; did you mean `tasks`?"),
    (["watch", "flash"], 2, "`flash` cannot be watched; it repeats tasks, ringbuf"),
    (["watch", "ringbuf", "--follow"], 2, "--follow and --set are not for `watch`"),
    (["watch", "readvar", "TICKSS"], 2, "did you mean `TICKS`?"),
    (["-p", "archive", "watch", "readvar", "HUBRIS_IMAGE_ID"], 4, "does not run"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED)
def test_refused_input(arguments: list[str], code: int, message: str, capsys: Capture) -> None:
    assert run(arguments) == code
    assert message in capsys.readouterr().err


def test_changed_cells_are_marked() -> None:
    before = ["", "", "net  recv  5", "spi  sent  7"]
    after = ["title", "", "net  recv  6", "spi  sent  7 more"]
    first, *rest = screen(after, before).split("\n")
    assert first == "\x1b[Htitle\x1b[K"
    assert rest == [
        "\x1b[K",
        "net  recv  \x1b[7m6\x1b[0m\x1b[K",
        "spi  sent  7 \x1b[7mmore\x1b[0m\x1b[K\x1b[J",
    ]
    assert "\x1b[7m" not in screen(after, before, marks=False)
    assert "\x1b[7m" not in screen(after, None)
    assert screen([str(n) for n in range(1000)], None).count("\n") < 100


@pytest.mark.parametrize("command", [["readvar", "TICKS"], ["watch", "readvar", "TICKS"]])
def test_watching_ends_at_ctrl_c(command: list[str]) -> None:
    with running_board("followed", board="stm32f4-discovery") as board:
        options = ["--follow", "0.05"] if command[0] == "readvar" else ["-n", "0.05"]
        argv = [sys.executable, "-P", "-m", "idoldbg", "-p", board.spec, *command, *options]
        process = subprocess.Popen([*argv, "--format", "json"], stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdout is not None
            found = [json.loads(process.stdout.readline()) for _ in range(3)]
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            assert process.wait(30) == 130
    ticks = [each["source"]["ticks"] for each in found]
    assert ticks == sorted(set(ticks))
