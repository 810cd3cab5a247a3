"""Humility's variables, its texts for probes, and commands typed as in Humility."""

from __future__ import annotations

from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.cli.humility import Variables, _find_serial, read_variables, to_spec, translate_call
from idoldbg.errors import ArgumentError, ProbeNotFound

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
def test_what_cannot_be_done_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(ArgumentError, match="IDOLDBG_IGNORE_HUMILITY=1"):
        read_variables(environ)


PROBES = [
    ("auto", "pyocd"),
    ("usb", "pyocd"),
    ("usb-1", "pyocd:B"),
    ("0483:374E:002f0A", "pyocd:002f0A"),
    ("1fc9:0143:A:B", "pyocd:A:B"),
    ("emu:desk", "emu:desk"),
    ("dump:0483:374e", "dump:0483:374e"),
    ("usb-x", "usb-x"),
]


@pytest.mark.parametrize(("text", "spec"), PROBES)
def test_texts_for_probes(text: str, spec: str) -> None:
    assert to_spec(text, lambda: ["B", "A"]) == spec


def test_an_index_beyond_the_probes_is_an_error() -> None:
    with pytest.raises(ProbeNotFound, match="2 probes"):
        to_spec("usb-2", lambda: ["B", "A"])


def test_a_usb_device_is_found_by_its_ids_if_it_is_the_only_one(tmp_path: Path) -> None:
    for name, product, serial in (("1-1", "374e", "A"), ("1-2", "374b", "B"), ("1-3", "374e", "C")):
        device = tmp_path / name
        device.mkdir()
        for file, text in (("idVendor", "0483"), ("idProduct", product), ("serial", serial)):
            (device / file).write_text(f"{text}\n")
    assert _find_serial("0483", "374b", str(tmp_path)) == "B"
    with pytest.raises(ProbeNotFound, match="0483:374e:A, 0483:374e:C"):
        _find_serial("0483", "374e", str(tmp_path))
    with pytest.raises(ProbeNotFound, match="no such USB device"):
        _find_serial("0483", "0000", str(tmp_path))


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


def test_a_function_of_hiffy_is_no_call() -> None:
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
