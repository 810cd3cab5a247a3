"""`idoldbg task`: its output, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.session import demo_archive
from idoldbg.target.emulated.server import running_board

Golden = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]
FAULT = ["-b", "lpcxpresso55s69", "task", "fault", "victim"]
ENDS = "note: this emulated board ends with the command; "


@pytest.mark.parametrize("form", ["text", "json"])
def test_output_is_as_agreed(form: str, golden: Golden, capsys: Capture) -> None:
    assert run([*FAULT, "--format", form]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(ENDS)
    folder = f"{demo_archive('stm32f4-discovery').parent}/"
    golden(f"cli/task-fault.{form.replace('text', 'txt')}", captured.out.replace(folder, ""))


def test_a_held_fault_shows_its_stack(golden: Golden, capsys: Capture, tmp_path: Path) -> None:
    with running_board("held", board="lpcxpresso55s69") as board:
        on = ["-p", board.spec]
        assert run([*on, "task", "hold", "victim"]) == 0
        assert (
            run([*on, "call", "Victim.panic", "--task", "victim", "--code", "5", "--timeout", "1"])
            == 3
        )
        capsys.readouterr()
        assert run([*on, "task", "hold", "victim", "--until-fault"]) == 0
        text = capsys.readouterr()
        assert text.err == ""
        golden("cli/task-until-fault.txt", text.out)
        hold = [*on, "task", "hold", "victim", "--until-fault", "--format", "json"]
        assert run(hold) == 0
        found = json.loads(capsys.readouterr().out)
        dump = str(tmp_path / "victim.core")
        assert run([*on, "task", "hold", "victim", "--until-fault", "--dump", dump]) == 0
        assert f"core dump: {dump}" in capsys.readouterr().out
        assert run([*on, "task", "hold", "victim", "--until-fault", "--dump", dump]) == 4
        assert "exists already" in capsys.readouterr().err
        assert run([*on, "task", "release", "victim"]) == 0
        assert "released and restarted, generation 1" in capsys.readouterr().out
    assert found["stack"]["frames"][-1]["function"] == "_start"
    assert "told to panic with code 5" in found["after"]["fault"]["words"]
    assert found["registers"]["pc"] == found["stack"]["frames"][0]["place"]["address"] & ~1
    assert run(["-p", f"dump:{dump}", "tasks"]) == 0
    assert "told to panic with code 5" in capsys.readouterr().out


REFUSED: list[tuple[list[str], int, str]] = [
    (["task", "hold"], 2, "missing argument `NAME`"),
    (["task", "hold", "victim", "--dump", "x"], 2, "--dump needs --until-fault"),
    (["task", "hald", "victim"], 2, "did you mean `hold`"),
    (["task", "hold", "vicitm"], 2, "did you mean `victim`"),
    (["task", "restart", "jefe"], 3, "is the supervisor"),
    (["task", "hold", "victim", "--until-fault", "--timeout", "0.2"], 3, "did not fault within"),
]


@pytest.mark.parametrize(("argv", "code", "message"), REFUSED)
def test_impossible_requests_are_reported(
    argv: list[str], code: int, message: str, capsys: Capture
) -> None:
    assert run(argv) == code
    assert message in capsys.readouterr().err


def test_a_build_alone_does_not_run(capsys: Capture) -> None:
    archive = str(demo_archive("stm32f4-discovery"))
    assert run(["-a", archive, "-p", "archive", "task", "hold", "victim"]) == 4
    assert "does not run" in capsys.readouterr().err
