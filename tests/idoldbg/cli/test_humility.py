"""Humility's variables, and commands typed as in Humility."""

from __future__ import annotations

import pytest

from idoldbg.cli import run
from idoldbg.cli.humility import Variables, read_variables, translate_call
from idoldbg.errors import ArgumentError

Capture = pytest.CaptureFixture[str]

VARIABLES: list[tuple[dict[str, str], Variables]] = [
    ({}, Variables()),
    ({"HUMILITY_ARCHIVE": "a.zip"}, Variables("a.zip")),
    (
        {"HUMILITY_ARCHIVE": "a.zip", "HUMILITY_PROBE": "usb", "HUMILITY_TARGET": "sn4"},
        Variables("a.zip", "usb", origin="HUMILITY_PROBE"),
    ),
    (
        {"HUMILITY_TARGET": "sn4", "HUMILITY_ENVIRONMENT": "e.json", "HUMILITY_DUMP": "x"},
        Variables(target="sn4", environment="e.json", origin="HUMILITY_TARGET"),
    ),
    ({"HUMILITY_DUMP": "x"}, Variables(probe="dump:x", origin="HUMILITY_DUMP")),
    ({"HUMILITY_PROBE": "", "HUMILITY_DUMP": ""}, Variables()),
    ({"HUMILITY_IP": "fe80::1%eth0", "IDOLDBG_IGNORE_HUMILITY": "1"}, Variables()),
]


@pytest.mark.parametrize(("environ", "expected"), VARIABLES)
def test_the_first_variable_counts(environ: dict[str, str], expected: Variables) -> None:
    assert read_variables(environ) == expected


@pytest.mark.parametrize(
    "environ",
    [{"HUMILITY_IP": "fe80::1%eth0"}, {"HUMILITY_ARCHIVE": "a.zip", "HUMILITY_DUMP": "x"}],
)
def test_impossible_requests_are_errors(environ: dict[str, str]) -> None:
    with pytest.raises(ArgumentError, match="IDOLDBG_IGNORE_HUMILITY=1"):
        read_variables(environ)


CALLS = [
    ("-c Spi.read -a device_index=0", "idoldbg call Spi.read --device-index 0"),
    ("--call=Sensor.reading --arguments=id=1", "idoldbg call Sensor.reading --id 1"),
    ("-c A.b -a x=1,y=Some(2)", "idoldbg call A.b --x 1 --y 'Some(2)'"),
    ("-c A.b -n 4 -o out", "idoldbg call A.b --LEASE 4 -o out"),
    ("-c A.b -i in", "idoldbg call A.b --LEASE @in"),
    ("-l", "idoldbg list"),
    ("-L", "idoldbg list --hiffy"),
]


@pytest.mark.parametrize(("typed", "here"), CALLS)
def test_a_call_typed_as_in_humility_is_translated(typed: str, here: str, capsys: Capture) -> None:
    assert translate_call(typed.split()) == here
    assert run(["hiffy", *typed.split()]) == 2
    assert here in capsys.readouterr().err


def test_functions_of_hiffy_are_not_operations() -> None:
    assert translate_call(["Send", "1", "-v"]) is None


@pytest.mark.parametrize(
    ("name", "answer"),
    [("jefe", "task hold"), ("writeword", "writemem"), ("monorail", "no counterpart")],
)
def test_commands_of_humility_have_their_names_here(
    name: str, answer: str, capsys: Capture
) -> None:
    assert run([name]) == 2
    assert answer in capsys.readouterr().err
