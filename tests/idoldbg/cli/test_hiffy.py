"""`idoldbg hiffy`: the functions of builds, and calls of them on the emulated board."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.session import demo_archive

Golden = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_functions_of_the_demo_image(form: str, golden: Golden, capsys: Capture) -> None:
    assert run(["hiffy", "--format", form]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    found = captured.out.replace(f"{demo_archive('stm32f4-discovery').parent}/", "")
    golden(f"cli/hiffy-functions.{form.replace('text', 'txt')}", found)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_call_on_the_board(form: str, golden: Golden, capsys: Capture) -> None:
    assert run(["hiffy", "Sleep", "5", "--format", form]) == 0
    out = capsys.readouterr().out
    folder = f"{demo_archive('stm32f4-discovery').parent}/"
    golden(f"cli/hiffy-sleep.{form.replace('text', 'txt')}", out.replace(folder, ""))


REFUSED: list[tuple[list[str], int, str]] = [
    (["hiffy", "Slep", "1"], 2, "did you mean `Sleep`"),
    (["hiffy", "Sleep"], 2, "Sleep takes 1 argument (u16), not 0"),
    (["hiffy", "Send", "1"], 3, "use `idoldbg call`"),
    (["hiffy", "--data", "hex:00"], 2, "name one"),
    (["hiffy", "Sleep", "1", "--data", "hex:0"], 2, "--data"),
    (["hiffy", "Sleep", "101"], 3, "an argument has a value that the function does not take"),
    (["-a", "NO-HIFFY", "-p", "emu", "hiffy"], 3, "no task called hiffy"),
]


@pytest.mark.parametrize(("argv", "code", "message"), REFUSED)
def test_operations_that_cannot_be_called_have_a_reason(
    argv: list[str], code: int, message: str, capsys: Capture
) -> None:
    no_hiffy = demo_archive("stm32f4-discovery").parent / "stm32f4-discovery-no-hiffy.zip"
    assert run([str(no_hiffy) if argument == "NO-HIFFY" else argument for argument in argv]) == code
    assert message in capsys.readouterr().err


def test_the_functions_of_a_real_build(real_hubris: Path, capsys: Capture) -> None:
    found = 0
    for archive in sorted((real_hubris / "archives").glob("*.zip")):
        assert run(["-a", str(archive), "hiffy", "--format", "json"]) == 0
        functions = json.loads(capsys.readouterr().out)["functions"]
        assert [each["id"] for each in functions] == list(range(len(functions)))
        by_name = {each["name"]: each for each in functions}
        if "GpioInput" in by_name:
            found += 1
            (pin,) = by_name["GpioInput"]["arguments"]
            assert len(pin["variants"]) > 1
    assert found
