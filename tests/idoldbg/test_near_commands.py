"""Typing mistakes on the command line: a command, an option, an interface, an operation."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from idoldbg.cli import run

Capture = pytest.CaptureFixture[str]

MISTYPED: list[tuple[list[str], str]] = [
    (["taks"], "no command `taks`; did you mean `tasks` or `task`?"),
    (["Tasks"], "no command `Tasks`; did you mean `tasks`?"),
    (["cal", "Spi.read"], "no command `cal`; did you mean `call`?"),
    (["-p", "emu", "taks"], "no command `taks`; did you mean `tasks` or `task`?"),
    (["bord", "list"], "did you mean `board` or `boards`?"),
    (["board", "strat", "x"], "no command `strat`; did you mean `start` or `status`?"),
    (["cache", "claer"], "no command `claer`; did you mean `clear`?"),
    (["farm", "rnu"], "no command `rnu`; did you mean `run`?"),
    (["Spi.exchange"], "did you mean `call Spi.exchange`?"),
    (["zzz"], "no command `zzz`\nTry `idoldbg --help`."),
    (["board", "zzz"], "no command `zzz`; there are list, serve, "),
    (["tasks", "--formt", "json"], "--format"),
    (["--prob", "emu", "tasks"], "--probe"),
    (["-b", "nucleog031", "tasks"], "did you mean `nucleo-g031`"),
    (["call", "--taks", "victim", "Victim.panic"], "no option `--taks`; did you mean `--task`?"),
    (["call", "--zzz", "Spi.read"], "no option `--zzz`"),
    (["call", "Victim.panic", "--taks", "victim"], "no option `--taks`; did you mean `--task`?"),
    (["call", "Sensor.sum", "--formta", "json"], "no option `--formta`; did you mean `--format`?"),
    (
        ["call", "Sensor.sum", "--no-recovr"],
        "no option `--no-recovr`; did you mean `--no-recover` or `--record`?",
    ),
    (["call", "Sensor.sum", "--vaules", "[]"], "did you mean `values`?"),
    (["call", "Sensor.summ"], "no operation named `Sensor.summ` in task `sensor`; did you mean"),
    (
        ["call", "sensor.sum"],
        "no interface named `sensor` in image `default`; did you mean `Sensor`?",
    ),
    (["call", "Sensor.zzz"], "in task `sensor`; it has get, post, "),
    (["call", "Victim.ping", "--task", "victm"], "no task named `victm`"),
    (["call", "Victim.ping"], "(victim, sleeper): choose one, as in `--task victim`"),
    (
        ["call", "Victim.ping", "--task", "spi"],
        "in task `spi`; it is served by victim, sleeper",
    ),
]


@pytest.mark.parametrize(("argv", "message"), MISTYPED, ids=lambda c: " ".join(c)[:40])
def test_near_misses_are_suggested(argv: list[str], message: str, capsys: Capture) -> None:
    assert run(argv) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


@pytest.mark.parametrize("name", ["Spi", "Spi.", "Victim"])
@pytest.mark.parametrize("more", [[], ["--help"], ["--format", "json"]], ids=str)
def test_an_interface_alone_lists_its_operations(
    name: str, more: list[str], capsys: Capture
) -> None:
    assert run(["call", name, *more]) == 2
    said = capsys.readouterr().err
    interface = name.rstrip(".")
    assert f"`{interface}` is an interface: name one of its operations, {interface}." in said
    operations = {"Spi": ["read", "exchange", "release"], "Victim": ["ping", "panic", "refuse"]}
    assert all(f"{interface}.{o}" in said for o in operations[interface])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["chek", "x"], "error: no command `chek`; did you mean `check`?"),
        (["zzz"], "no command `zzz`; there are check, explain, "),
        (
            ["check", "--strikt", "x"],
            "error: no option `--strikt`; did you mean `--str",
        ),
        (["fmt", "--chek=1", "x"], "error: no option `--chek`; did you mean `--check`?"),
        (["check", "x", "--zzz"], "no option `--zzz`"),
        (["explain", "a", "b"], "unexpected `b`"),
        (["fmt"], "error: missing argument `FILE`\nTry `idol fmt --help`."),
    ],
    ids=lambda c: " ".join(c)[:40],
)
def test_idol_suggests_near_misses(argv: list[str], message: str) -> None:
    command = [sys.executable, "-P", "-m", "idol", *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("command", ["idol", "idoldbg"])
def test_both_commands_speak_in_one_voice(command: str) -> None:
    def said(*argv: str) -> tuple[int, str, str]:
        run = [sys.executable, "-P", "-m", command, *argv]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    assert said("--version") == (0, f"{command} {version('idoldbg')}\n", "")
    code, out, err = said()  # the help, not an error of one line
    assert (code, out) == (2, "")
    assert err.lower().startswith(f"usage: {command} ")
    assert "\n\n" in err
    code, out, err = said("zzz-q")
    assert (code, out) == (2, "")
    assert err.startswith("error: no command `zzz-q`")
    assert err.endswith(f"\nTry `{command} --help`.\n")
    code, out, err = said("--versoin")
    assert (code, out) == (2, "")
    assert err.startswith("error: no option `--versoin`; did you mean `--version`")
    assert err.endswith(f"?\nTry `{command} --help`.\n")
    read = ["idoldbg", "tasks"] if command == "idoldbg" else ["idol", "check"]
    help_ = f"Try `{' '.join(read)} --help`.\n"
    assert said(read[1], "--format") == (2, "", f"error: --format needs a value\n{help_}")
    code, out, err = said(read[1], "--format", "yaml", "x")
    assert (code, out) == (2, "")
    assert err.startswith("error: --format: `yaml` is not one of `text`, `json`")
    assert err.endswith(f"\n{help_}")
    explain = "explain" if command == "idol" else "boards"
    extra = said(explain, "bad-name", "extra") if command == "idol" else said(explain, "extra")
    help_ = f"Try `{command} {explain} --help`.\n"
    assert extra == (2, "", f"error: unexpected `extra`\n{help_}")
