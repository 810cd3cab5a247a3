"""An exporter's configuration: serial numbers stay as written, mistakes have their place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from idoldbg.errors import ArgumentError

pytest.importorskip("labgrid")

from labgrid.exceptions import InvalidConfigError

from idoldbg.labgrid.driver import IdoldbgDriver
from idoldbg.labgrid.exporter_config import MAX_NODES, MAX_SIZE, ExporterConfig
from idoldbg.labgrid.resources import IdoldbgEmulatedBoard, IdoldbgProbe

VALUES = {"env": {"HOME": "/home"}, "hostname": "h", "name": "n", "isolated": False}


def read(folder: Path, text: str | bytes) -> dict[str, Any]:
    path = folder / "exporter.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ExporterConfig(str(path), VALUES).data


@pytest.mark.parametrize(
    "uid",
    [
        *("683012345", "000683012345", "012345", "0x1A", "1_000", "1e400", "1:30", "+5", ".5"),
        *("2024-01-01", "yes", "NO", "on", "true", "=", "0669FF383333554157243840", "9" * 4000),
    ],
)
@pytest.mark.parametrize("form", ["{}", "'{}'", '"{}"', "!!str {}"])
def test_a_serial_number_stays_as_it_is_written(tmp_path: Path, uid: str, form: str) -> None:
    text = f"rack:\n  IdoldbgProbe:\n    uid: {form.format(uid)}\n"
    assert read(tmp_path, text)["rack"]["IdoldbgProbe"]["uid"] == uid
    named = f"rack:\n  left:\n    cls: IdoldbgProbe\n    uid: {form.format(uid)}\n"
    assert read(tmp_path, named)["rack"]["left"]["uid"] == uid


def test_valid_input_is_accepted(tmp_path: Path) -> None:
    text = """\
# set probe = "012"
a:
  location: rack 7
  IdoldbgProbe: &same
    uid: {{ probe }}
    board:
b:
  IdoldbgProbe:
c:
  IdoldbgEmulatedBoard: {board: stm32f4-discovery, archive: {{ env.HOME }}/a.zip}
  NetworkSerialPort: {host: h, port: 4001}
  NotOurs:
d:
  IdoldbgProbe: *same
"""
    assert read(tmp_path, text) == {
        "a": {"location": "rack 7", "IdoldbgProbe": {"uid": "012", "board": None}},
        "b": {"IdoldbgProbe": {}},  # the only probe; labgrid alone leaves it out without a word
        "c": {
            "IdoldbgEmulatedBoard": {"board": "stm32f4-discovery", "archive": "/home/a.zip"},
            "NetworkSerialPort": {"host": "h", "port": 4001},
            "NotOurs": None,
        },
        "d": {"IdoldbgProbe": {"uid": "012", "board": None}},
    }


PROBE, BOARD = "rack:\n  IdoldbgProbe:\n    ", "rack:\n  IdoldbgEmulatedBoard:\n    "
MISTAKES = [
    (PROBE + "uid: [1]", "place `rack`: IdoldbgProbe: `uid` should be a string, not a list"),
    (PROBE + "uid: {a: 1}", "`uid` should be a string, not a mapping"),
    (PROBE + "uid: !template x", "`uid` should be a string, not "),
    (PROBE + "uid: !!python/object:os.system x", "line 3, column 10: could not determine"),
    (PROBE + 'uid: ""', "`uid` is ``: give printable text"),
    (PROBE + r'uid: "1\n::error::"', r"`uid` is `1\u{a}::error::`: give printable text"),
    (PROBE + "uid: " + "9" * 5000, "`uid` has 5000 characters: at most 4096 are allowed"),
    (PROBE + "udi: 1", "place `rack`: IdoldbgProbe: unknown key `udi`; did you mean `uid`?"),
    (PROBE + "serial: 1", "unknown key `serial`; IdoldbgProbe has uid, board"),
    (PROBE + r'"a\n::error::": 1', r"unknown key `a\u{a}::error::`"),
    (PROBE + "1: 1", "unknown key `1`"),
    (PROBE + "uid: 1\n    uid: 2", "line 4, column 5: `uid` is there twice"),
    (PROBE + "- uid: 1", "place `rack`: IdoldbgProbe: expected parameters by name, not a list"),
    (PROBE + "5", "expected parameters by name, not `5`"),
    (PROBE + "board: nucleo-h743", "`board`: no board"),
    (BOARD + "archive: a.zip", "place `rack`: IdoldbgEmulatedBoard: `board` is missing"),
    (BOARD + "board:", "`board` is empty"),
    ("rack:\n  IdoldbgEmulatedBoard:", "`board` is missing"),
    ("rack:\n  IdoldbgProb: {}", "no resource class `IdoldbgProb`; did you mean `IdoldbgProbe`?"),
    ("rack:\n  x: {cls: [1]}", "rack`: x: `cls` is the name of a resource class, not a list"),
    ("rack:\n  - IdoldbgProbe", "place `rack`: expected resources by class, not a list"),
    ("rack: 5", "place `rack`: expected resources by class, not `5`"),
    ("rack:", "place `rack`: expected resources by class, not nothing"),
    ("- rack", "expected places with their resources, not a list"),
    ("", "expected places with their resources, not nothing"),
    ('"a\\n::error::": {}', r"`a\u{a}::error::` cannot name a place"),
    ('rack: {"a\\u202e": {}}', r"place `rack`: `a\u{202e}` cannot name a resource"),
    ("? [1]\n: 2", "line 1, column 3: a key is a plain text"),
    ("x: &a [*a]", "nested more than 20 deep"),
    ("[" * 100_000, "nested more than 20 deep"),
    ("- " * 100_000, "nested more than 20 deep"),
    ("x: {A: {y: " + "9" * 5000 + "}}", "Exceeds the limit"),
    ("x: {A: {y: !!timestamp z}}", "a value is not of the kind that its tag says"),
    ("x: {A: {y: 2001-99-99}}", "month must be in 1..12"),
    ("a:\t- b", "line 1, column 3: found character"),
    ("a: \x07", "special characters are not allowed"),
    (b"\xff", "not UTF-8 text"),
    ("x" * (MAX_SIZE + 1), "cannot be read: it has more than 256 KiB"),
    ("{% for i in range(99999) %}aaaa{% endfor %}", "its template makes more than"),
    ("{{ ''.__class__.x }}", "access to attribute '__class__' of 'str' object is unsafe"),
    ("a: {{ cycler.__init__.__globals__.os.popen('id').read() }}", "is unsafe"),
    ("{{ 1/0 }}", "division by zero"),
    ("# if", "line 1: Expected an expression"),
    ("".join(f"k{i}: {{}}\n" for i in range(MAX_NODES)), f"more than {MAX_NODES} keys and values"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        read(tmp_path, text)
    message = str(refused.value)
    assert message.startswith(f"configuration: {tmp_path}/exporter.yaml: ")
    assert said in message
    assert message.isprintable() and len(message) < 2000


def test_aliases_make_no_more_of_a_file_than_it_may_hold(tmp_path: Path) -> None:
    lines = ["x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 8)}]" for i in range(1, 12)]
    with pytest.raises(ArgumentError, match=f"more than {MAX_NODES} keys and values"):
        read(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("path", ["/dev/zero", "/", "nowhere.yaml", "a\0b"])
def test_paths_that_are_not_files_are_reported(path: str) -> None:
    with pytest.raises(ArgumentError, match="cannot be read"):
        ExporterConfig(path, VALUES)


PORT = "rack: {NetworkSerialPort: {port: " + "9" * 400 + "}}"
SERIAL = "rack: {USBSerialPort: {nonsense: 1}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PROBE + "udi: 1", "place `rack`: IdoldbgProbe: unknown key `udi`"),
        (PORT, "place `rack`: NetworkSerialPort: NetworkSerialPort cannot be made of"),
        (SERIAL, "place `rack`: USBSerialPort: USBSerialPort cannot be made of"),
    ],
)
def test_the_command_names_the_mistake(tmp_path: Path, text: str, said: str) -> None:
    """Before, each was `a bug in idoldbg`, with a traceback."""
    path = tmp_path / "exporter.yaml"
    path.write_text(text)
    argv = ["-P", "-m", "idoldbg", "farm", "exporter", str(path), "--coordinator", "127.0.0.1:1"]
    done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert f"error: configuration: {path}: {said}" in done.stderr


@pytest.mark.parametrize("value", [683012345, 1.5, True, [1], {"a": 1}, b"x"])
def test_unquoted_serial_numbers_in_environments_are_refused(value: object) -> None:
    for resource in (
        lambda: IdoldbgProbe(None, None, uid=value),
        lambda: IdoldbgEmulatedBoard(None, None, board=value),
    ):
        with pytest.raises(InvalidConfigError) as refused:
            resource()
        is_number = isinstance(value, int | float)
        assert ("write it in quotes" if is_number else "should be a string") in refused.value.msg


@pytest.mark.parametrize("value", [10**400, -1, 0, "x", None, [], float("inf"), float("nan"), True])
def test_seconds_of_an_environment_are_checked(value: object) -> None:
    with pytest.raises(InvalidConfigError, match=r"IdoldbgDriver: .*give seconds, more than 0"):
        IdoldbgDriver(None, None, timeout_s=value)
