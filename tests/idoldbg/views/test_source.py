"""Origin of answers, as the links have it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from idoldbg.cli import run

Capture = pytest.CaptureFixture[str]


def test_a_running_board_a_halted_one_and_a_dump_are_distinguished(
    tmp_path: Path, capsys: Capture
) -> None:
    import idoldbg

    with idoldbg.attach(probe="emu") as dev:
        running = dev.source()
        assert (running.link, running.halted) == ("emulated", False)
        dev.tasks()
        dev.wait(0.01)
        later = dev.source()
        assert running.ticks is not None
        assert later.ticks is not None
        assert later.ticks > running.ticks
        dev.link.halt()
        assert dev.source().halted is True


def test_notices_are_in_the_json_too(capsys: Capture) -> None:
    assert run(["--timeout", "0.000000001", "--format", "json", "tasks"]) == 0
    source = json.loads(capsys.readouterr().out)["source"]
    assert source["link"] == "emulated"
    assert source["warnings"] == []
