"""`tasks` and `registers`: agreed output, exit codes; boards, probes and dumps agree."""

from __future__ import annotations

from collections.abc import Callable
from json import loads
from pathlib import Path
from typing import Any

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.pytest_plugin.evidence import write_dump
from idoldbg.views.backtrace import End

Golden = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]

COMMANDS = {
    "tasks-stacks": ["tasks", "-slr", "--stack-use", "spi", "sleeper"],
    "tasks-value": ["tasks", "-v", "victim"],
    "registers": ["registers", "-slf"],
    "registers-task": ["registers", "--task", "spi", "-s"],
}


def answer(capsys: Capture, *arguments: str, code: int = 0) -> Any:
    """Return the JSON of a command."""
    assert run([*arguments, "--format", "json"]) == code
    return loads(capsys.readouterr().out)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", COMMANDS)
def test_output_is_as_agreed(name: str, form: str, golden: Golden, capsys: Capture) -> None:
    assert run([*COMMANDS[name], "--format", form]) == 0
    found = capsys.readouterr().out
    folder = str(idoldbg.opening.demo_archive("stm32f4-discovery").parent) + "/"
    golden(f"cli/{name}.{form.replace('text', 'txt')}", found.replace(folder, ""))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tasks", "victin"], 2, "did you mean `victim`?"),
        (["tasks", "--check"], 0, ""),
        (["registers", "--task", "victin"], 2, "did you mean `victim`?"),
        (["registers", "-p", "archive"], 4, "has no registers; use a probe"),
    ],
)
def test_exit_codes(arguments: list[str], code: int, message: str, capsys: Capture) -> None:
    assert run(arguments) == code
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A core dump of a board whose task `victim` is held in a fault."""
    path = tmp_path_factory.mktemp("dump") / "victim.core"
    with idoldbg.attach() as dev:
        dev["victim"].fault()
        write_dump(path, dev.program, dev.session.link)
    return path


def test_task_in_a_fault_is_a_finding(dump: Path, capsys: Capture) -> None:
    found = answer(capsys, "-a", str(dump), "tasks", "--check", "-s", code=1)
    (victim,) = [task for task in found["tasks"] if task["fault"]]
    assert victim["name"] == "victim"
    assert victim["wait"] is None
    assert victim["stack"]["end"] == End.TASK_START
    assert found["core"]["task"] in {task["name"] for task in found["tasks"]}
    assert run(["-a", str(dump), "tasks", "--check", "spi"]) == 0


def test_device_has_both() -> None:
    with idoldbg.attach() as dev:
        assert dev.registers("spi").task == "spi"
        assert dev.registers().exception == 0
        assert dev.backtrace("spi").frames[-1].function == "_start"
