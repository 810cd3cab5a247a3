"""`idoldbg diagnose` on the emulated board, through its links, and on a dump of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import idoldbg
from idoldbg.call.supervisor import Request
from idoldbg.cli import run
from idoldbg.diagnosing import examine
from idoldbg.errors import ServerDied
from idoldbg.session import TargetOptions, demo_archive, open_session
from idoldbg.views.diagnosis import Code

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("probe", ["emu", "pyocd:emu"])
def test_a_healthy_board_has_no_findings(probe: str, capsys: Capture) -> None:
    assert run(["-p", probe, "diagnose", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["findings"] == []
    assert found["waited_ms"] == 1000


def test_a_restarted_task_is_found_with_its_fault_also_in_the_dump(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "board.core"
    with idoldbg.attach(probe="emu") as dev:
        with pytest.raises(ServerDied):
            dev["victim"].Victim.panic(code=42)
        (finding,) = dev.diagnose().findings
        assert (finding.code, finding.task) == (Code.TASK_RESTARTED, "victim")
        assert finding.fault is not None
        assert "code 42" in (finding.fault.panic_message or "")
        assert "`idoldbg task hold victim --until-fault`" in str(dev.diagnose())
        dev.dump(path)
    assert run(["-p", f"dump:{path}", "diagnose"]) == 0
    out = capsys.readouterr().out
    assert "victim  was restarted once; last fault: panicked at" in out
    assert "code 42" in out


def test_a_held_task_is_an_error_with_its_stack(capsys: Capture) -> None:
    with idoldbg.attach(probe="emu") as dev:
        dev["victim"].fault()
        found = dev.diagnose()
    (finding,) = found.findings
    assert (finding.code, finding.task) == (Code.TASK_FAULTED, "victim")
    assert finding.stack is not None
    assert any(frame.function == "main" for frame in finding.stack.frames)
    assert "idoldbg task release victim" in str(found)


def test_a_task_that_keeps_restarting_is_caught_at_its_fault() -> None:
    """Something makes `victim` fault every 0.3 s of the board's time, whoever looks."""
    with idoldbg.attach(probe="emu") as dev:
        dev.tasks()
        link, supervisor = dev.session.link, dev._core.supervisor
        state = {"next_s": link.monotonic() + 0.1, "busy": False}

        def crash() -> None:
            if state["busy"] or link.monotonic() < state["next_s"]:
                return
            state["busy"] = True
            supervisor.ask(Request.FAULT, "victim")
            supervisor.ask(Request.RELEASE, "victim")
            state.update(busy=False, next_s=link.monotonic() + 0.3)

        link.on_wait = crash
        dev.wait(0.1)
        found = examine(dev.session, seconds=1.0)
        link.on_wait = lambda: None
    (finding,) = (f for f in found.findings if f.task == "victim")
    assert finding.code is Code.TASK_RESTARTING
    assert finding.facts["seen"] >= 2


def test_another_image_is_the_only_finding(capsys: Capture) -> None:

    board = open_session(TargetOptions(board="stm32f4-discovery", probe="emu"))
    other = open_session(
        TargetOptions(archive=str(demo_archive("nucleo-g031")), probe="archive")
    ).program
    session = type(board)(other, board.target, 1.0)
    (finding,) = examine(session).findings
    assert finding.code is Code.IMAGE_MISMATCH
