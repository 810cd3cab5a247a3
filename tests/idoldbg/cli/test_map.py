"""`map` and `stackmargin`: agreed output, exit codes, what needs a target and what does not."""

from __future__ import annotations

from collections.abc import Callable
from json import loads
from pathlib import Path

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.target.emulated.server import running_board

Golden = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]

COMMANDS = {
    "map": ["map"],
    "map-task": ["map", "--task", "victim"],
    "map-address": ["map", "0x20001404"],
    "map-code": ["map", "0x0800de77"],
    "map-nothing": ["map", "0xf0000000"],
    "stackmargin": ["stackmargin", "sensor", "idle"],
    "stackmargin-archive": ["stackmargin", "-p", "archive"],
}


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", COMMANDS)
def test_output_is_as_agreed(name: str, form: str, golden: Golden, capsys: Capture) -> None:
    assert run([*COMMANDS[name], "--format", form]) == 0
    found = capsys.readouterr()
    assert found.err == ""
    folder = str(idoldbg.opening.demo_archive("stm32f4-discovery").parent) + "/"
    golden(f"cli/{name}.{form.replace('text', 'txt')}", found.out.replace(folder, ""))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["map", "x"], 2, "`x` is not an address, such as 0x20001404"),
        (["map", "0x100000000"], 2, "is not an address"),
        (["map", "--task", "victin"], 2, "did you mean `victim`?"),
        (["stackmargin", "victin"], 2, "did you mean `victim`?"),
        (["stackmargin", "--min-margin", "10"], 0, ""),
        (
            ["stackmargin", "--min-margin", "900"],
            1,
            "task `victim`: margin 824 bytes",
        ),
        (["stackmargin", "-p", "archive", "--min-margin", "1"], 1, "margin unknown"),
    ],
)
def test_exit_codes(arguments: list[str], code: int, message: str, capsys: Capture) -> None:
    assert run(arguments) == code
    assert message in capsys.readouterr().err


def test_links_agree(capsys: Capture) -> None:
    """The same stacks through pyOCD, and after the same run."""
    answers = []
    for link in ("emu", "pyocd:emu"):
        assert run(["stackmargin", "-p", link, "--format", "json"]) == 0
        answers.append(loads(capsys.readouterr().out)["stacks"])
    assert answers[0] == answers[1]


def test_device_has_both() -> None:
    with idoldbg.attach() as dev:
        assert [s.task for s in dev.stack_use("idle", "jefe")] == ["idle", "jefe"]
        assert {r.region.owners for r in dev.memory_map("victim").rows} == {
            ("victim",),
            ("victim", "sleeper"),
        }


def test_a_halted_board_agrees_with_its_dump(tmp_path: Path, capsys: Capture) -> None:
    core = tmp_path / "board.core"
    with running_board("agrees", board="stm32f4-discovery") as board:
        on = ["-p", board.spec]
        assert run(["tasks", *on]) == 0  # until its tasks wait
        assert run(["halt", *on]) == 0
        assert run(["dump", "-o", str(core), *on]) == 0
        answers = []
        for source in (on, ["-a", str(core)]):
            capsys.readouterr()
            assert run(["stackmargin", *source, "--format", "json"]) == 0
            stacks = loads(capsys.readouterr().out)["stacks"]
            assert run(["readmem", "task:victim:stack", *source, "--format", "json"]) == 0
            answers.append((stacks, loads(capsys.readouterr().out)["data"]))
    assert answers[0] == answers[1]
