"""Commands that read: each link gives the same answer about the same board, with its origin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyocd  # noqa: F401  # before the modules of the plug-in, see there
import pytest

from idoldbg.cli import COMMANDS, run
from idoldbg.session import demo_archive, emulated_board
from idoldbg.target.emulated import making
from idoldbg.target.emulated.pyocd_probe.boards import register_board, unregister_board

BOARD = "stm32f4-discovery"
BUILD = str(demo_archive(BOARD))
ON_TARGETS = [
    ["tasks", "-slrv", "--stack-use"],
    ["tasks", "-sl", "--guess", "victim"],
    ["registers", "-slf"],
    ["registers", "--task", "victim", "-s"],
    ["ringbuf"],
    ["counters", "--full"],
    ["counters", "ipc"],
    ["readvar", "TICKS", "JEFE_LAST_FAULT", "victim/MESSAGE", "__USERLEDS_SERVER_COUNTERS"],
    ["readvar", "HUBRIS_TASK_TABLE_SPACE[5].descriptor.*"],
    ["readmem", "task:victim:stack", "-s"],
    ["readmem", "sp", "8"],
    ["readmem", "JEFE_LAST_FAULT"],
    ["stackmargin"],
    ["diagnose", "--seconds", "0"],
]
OF_BUILDS = [
    ["vars"],
    ["map"],
    ["map", "--task", "victim"],
    ["list"],
    ["manifest"],
    ["types", "Status"],
    ["hiffy"],
    ["extract"],
]
#: Commands without one build or target to read, or that act on it.
OTHERS = {
    *("audit", "board", "boards", "cache", "call", "demo", "exec", "farm", "flash", "gpio"),
    *("gdb", "halt", "hydrate", "i2c", "probes", "reset", "resume", "shell", "stubs", "targets"),
    *("task", "test", "watch", "writemem"),
    *("chaos", "coverage", "fuzz", "profile", "replay", "trace"),
}
FLOATS = ["fpscr", *(f"s{number}" for number in range(32))]
Capture = pytest.CaptureFixture[str]
READING = [*ON_TARGETS, *OF_BUILDS]


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """Options for one halted board: in process, through pyOCD's stack, and a dump of it.

    It has answered calls; `victim` was restarted once, and is held where it overflowed its stack.
    """
    board = emulated_board(BOARD)
    register_board("agrees", lambda: board, board_name=BOARD)
    core = tmp_path_factory.mktemp("dump") / "agrees.core"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "emulate", lambda options, archive: board)
        patch.setattr(board, "close", lambda: None)  # as one that is kept running
        victim = ["call", "Victim.die", "--task", "victim", "--cause"]
        for code, command in (
            (0, ["call", "UserLeds.led_on", "--index", "0"]),
            (1, ["call", "UserLeds.led_on", "--index", "99"]),
            (0, ["call", "Sensor.temperature"]),
            (3, [*victim, "DivideByZero"]),
            (0, ["task", "hold", "victim"]),
            (3, [*victim, "OverflowStack", "--timeout", "0.5"]),
        ):
            assert run([*command, "-p", "emu"]) == code
        board.halt()
        assert run(["dump", "-p", "emu", "-o", str(core)]) == 0
        yield {
            "emu": ["-p", "emu"],
            "pyocd": ["-p", "pyocd:agrees"],
            "dump": ["-a", str(core)],
        }
    unregister_board("agrees")
    board.close()


def answer(capsys: Capture, command: list[str], link: list[str]) -> tuple[int, Any, Any]:
    """Return a command's exit code, its JSON without `source`, and `source`."""
    capsys.readouterr()
    code = run([*command, *link, "--format", "json"])
    out = capsys.readouterr().out
    assert out, (command, link, code)
    found = json.loads(out)
    return code, found, found.pop("source")


def without_floats(command: list[str], found: Any) -> None:
    """Leave out the core's registers of floating point, which core dumps do not keep."""
    for holder in (found, *found.get("tasks", ())):
        if command[0] == "registers" or holder.get("is_current"):
            for name in FLOATS:
                (holder.get("registers") or {}).pop(name, None)


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_links_agree(command: list[str], links: dict[str, list[str]], capsys: Capture) -> None:
    """Time stands still, so that all but `source` is the same."""
    if command in OF_BUILDS:  # these look at no target
        links = {"emu": ["-a", BUILD], "dump": links["dump"]}
    answers = {name: answer(capsys, command, link) for name, link in links.items()}
    if command[:2] != ["registers", "--task"]:
        for _, found, _ in answers.values():
            without_floats(command, found)
    code, found, _ = answers["emu"]
    assert found["schema"].startswith(f"idoldbg.{command[0]}")
    for name, other in answers.items():
        assert other[:2] == (code, found), name
    if command in OF_BUILDS:
        assert {source["link"] for _, _, source in answers.values()} == {"archive"}
        return
    for name, kind in (("emu", "emulated"), ("pyocd", "probe"), ("dump", "dump")):
        assert answers[name][2]["link"] == kind
    for key in ("image_id", "halted", "ticks"):
        assert len({source[key] for _, _, source in answers.values()}) == 1, key


def test_registers_of_an_overflowed_stack_are_doubted(
    links: dict[str, list[str]], capsys: Capture
) -> None:
    """The exception frame has no room: what lies there is memory of others."""
    for command in (["registers", "--task", "victim"], ["tasks", "-r", "victim"]):
        assert run([*command, *links["dump"]]) == 0
        assert "no room for r0, r1, r2, r3, r12, lr, pc and xpsr" in capsys.readouterr().out
    assert run(["tasks", "-s", "victim", *links["dump"]]) == 0
    assert "the top of its stack is lost" in capsys.readouterr().out
    assert run(["tasks", "-s", "--guess", "victim", *links["dump"]]) == 0
    assert "task_victim::overflow_stack" in capsys.readouterr().out


def test_each_command_reads_or_is_among_the_others() -> None:
    reading = {command[0] for command in READING} | {"dump", "sensors"}  # with tests of their own
    assert reading | OTHERS == {*COMMANDS}
    assert not reading & OTHERS


def test_a_task_s_name_finds_its_statics(capsys: Capture) -> None:
    assert run(["vars", "victim", "-a", BUILD]) == 0
    assert "userlib::panic::panic::MESSAGE" in capsys.readouterr().out
    assert run(["readvar", "victim", "-p", "emu"]) == 2
    assert "`idoldbg vars victim`" in capsys.readouterr().err
