"""Environment files of all three kinds, and what is wrong with some."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.environment import get_target, read_environment, to_spec
from idoldbg.errors import ProbeNotFound, TargetFileError

Capture = pytest.CaptureFixture[str]

HUMILITY = {
    "sn4": {
        "probe": "0483:3754:00110018",
        "archive": "/builds/sn4.zip",
        "description": "the fourth",
        "cmds": {"power": {"on": "echo on"}, "console": "picocom"},
    },
    "rot": {"probe": "usb", "archive": {"a": "a.zip", "b": "b.zip"}},
}


def test_humilitys_form(tmp_path: Path) -> None:
    path = tmp_path / "env.json"
    path.write_text(json.dumps(HUMILITY))
    found = read_environment(str(path))
    assert list(found) == ["sn4", "rot"]
    assert found["sn4"].archive(None) == "/builds/sn4.zip"
    assert found["sn4"].commands == HUMILITY["sn4"]["cmds"]
    assert found["rot"].archive("b") == "b.zip"


def test_labgrids_form(tmp_path: Path) -> None:
    pytest.importorskip("labgrid")
    path = tmp_path / "lab.yaml"
    path.write_text(
        "targets:\n  main:\n    resources:\n      IdoldbgEmulatedBoard: {board: nucleo-g031}\n"
        "    drivers:\n      IdoldbgDriver: {}\n  bare: {}\n"
    )
    assert list(read_environment(str(path))) == ["main", "bare"]
    found = get_target(str(path), "main")
    assert (found.probe, found.board, found.archive(None)) == ("emu", "nucleo-g031", None)
    with pytest.raises(TargetFileError, match="no IdoldbgDriver"):
        get_target(str(path), "bare")


BROKEN = [
    ("x.json", "[", "Expecting value"),
    ("x.json", "[" * 100_000, "nested too deeply"),
    ("x.json", "[]", "a table of targets"),
    ("x.json", '{"a": {"probe": "usb"}}', "`a`: `archive` is missing"),
    ("x.json", '{"a": {"probe": 3, "archive": "x"}}', "`probe` should be a string"),
    ("x.json", '{"a": {"probe": "usb", "archve": "x"}}', "did you mean `archive`"),
    ("x.json", '{"a": {"probe": "u", "archive": "x", "cmds": {"y": 3}}}', "`cmds`.`y` should be"),
    ("x.toml", "a = 1", "unknown key `a`; known: targets"),
    ("x.toml", "[targets.a]\narchive = 3", "`archive` should be a path"),
    ("x.toml", "[targets.a]\nboards = 'x'", "did you mean `board`"),
    ("x.toml", "targets = 3", "a table of targets"),
    ("x.toml", "\udcff", "utf-8"),
    ("x.yaml", "targets: [", "x.yaml"),
    ("x.yaml", "- a", "x.yaml"),
]


@pytest.mark.parametrize(("name", "text", "message"), BROKEN)
def test_errors_of_a_broken_file_have_a_place(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    if name.endswith(".yaml"):
        pytest.importorskip("labgrid")
    path = tmp_path / name
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(TargetFileError, match=re.escape(message)):
        get_target(str(path), "a")
        read_environment(str(path))


def test_commands_of_a_target_run_without_a_shell(tmp_path: Path, capfd: Capture) -> None:
    path = tmp_path / "lab.toml"
    command = f"{sys.executable} -c 'import sys; print(sys.argv[1:]); sys.exit(7)' $HOME"
    path.write_text(f'[targets.desk.commands]\npower.on = "{command}"\n')
    argv = ["--environment", str(path), "--target", "desk", "exec"]
    assert run([*argv, "power.on", "--fast", "x y"]) == 7
    assert capfd.readouterr().out == "['$HOME', '--fast', 'x y']\n"
    assert run(argv) == 0
    assert capfd.readouterr().out == f"power.on: {command}\n"
    assert run([*argv, "power"]) == 2
    assert "did you mean `power.on`" in capfd.readouterr().err


def test_targets_are_listed(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "env.json"
    path.write_text(json.dumps(HUMILITY))
    assert run(["--environment", str(path), "targets"]) == 0
    assert capsys.readouterr().out == "TARGET  DESCRIPTION\nsn4     the fourth\nrot     -\n"
    assert run(["--environment", str(path), "--format", "json", "targets"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "idoldbg.targets/1"
    assert [target["name"] for target in found["targets"]] == ["sn4", "rot"]


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
def test_descriptions_of_probes(text: str, spec: str) -> None:
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
    assert to_spec("0483:374B", devices=str(tmp_path)) == "pyocd:B"
    with pytest.raises(ProbeNotFound, match="0483:374e:A, 0483:374e:C"):
        to_spec("0483:374e", devices=str(tmp_path))
    with pytest.raises(ProbeNotFound, match="no such USB device"):
        to_spec("0483:0000", devices=str(tmp_path))
