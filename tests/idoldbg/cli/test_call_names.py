"""Calls of an operation whose argument is named like an option of `call`, on the emulated board."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from idoldbg.cli import run
from tests.conftest import ROOT

DEMO = ROOT / "fixtures" / "archives" / "stm32f4-discovery.zip"
OWN = ["help", "verbose", "hex", "format", "task", "output", "archive", "board", "probe", "type"]
SHORT = {
    "help": "-h",
    "verbose": "-v",
    "output": "-o",
    "archive": "-a",
    "board": "-b",
    "probe": "-p",
}
LEASES = ("--source", "hex:9f000000", "--sink", "4")


@pytest.fixture
def build(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the demo archive with an argument of `Spi.exchange` renamed; the code is the same."""
    path = tmp_path / "build.zip"
    with zipfile.ZipFile(DEMO) as demo, zipfile.ZipFile(path, "w") as renamed:
        renamed.comment = demo.comment
        for info in demo.infolist():
            data = demo.read(info)
            if info.filename == "elf/task/spi":
                assert b'"device_index"' in data
                data = data.replace(b'"device_index"', f'"{request.param}"'.ljust(14).encode())
            renamed.writestr(info, data)
    return str(path)


@pytest.mark.parametrize("build", OWN, indirect=True, ids=str)
def test_the_argument_wins_after_the_operation(
    build: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name = request.node.callspec.params["build"]
    call = ("--no-cache", "-a", build, "-p", "emu", "call")
    operation = ("Spi.exchange", f"--{name}")

    assert run([*call, *operation, "0", *LEASES]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Spi.exchange() => ()") and "ff ef 40 18" in out
    assert run([*call, *operation, "200", *LEASES]) == 1  # the value is the one that was given
    assert capsys.readouterr().out.startswith("Spi.exchange() => ")

    assert run([*call, *operation]) == 2
    err = capsys.readouterr().err
    rule = f"--{name} needs a value: it is an argument of Spi.exchange; the option of this command"
    assert f"{rule} is {SHORT.get(name, f'--{name} before Spi.exchange')}" in err

    made = tmp_path / "sink"
    argv = [*call, *operation, "0", *LEASES, "-o", str(made), "-v"]
    assert run(argv) == 0  # short forms stay the command's
    assert made.read_bytes().hex() == "ffef4018"
    assert "transactions" in capsys.readouterr().err
    assert run([*call, "Spi.exchange", "-h"]) == 0
    assert f"--{name}" in capsys.readouterr().out
