"""launch.json: the keys are cortex-debug's, an existing file keeps what it has or is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from idoldbg.errors import ArgumentError
from idoldbg.gdb.launch import configuration, write_launch
from idoldbg.gdb.symbols import SymbolFiles

# Of debug_attributes.md and package.json of github.com/Marus/cortex-debug, for `attach`, with the
# type of each; `name`, `type` and `request` are VS Code's own.
DOCUMENTED = {
    "name": str,
    "type": str,
    "request": str,
    "servertype": str,
    "gdbTarget": str,
    "gdbPath": str,
    "cwd": str,
    "executable": str,
    "symbolFiles": list,
    "preAttachCommands": list,
}
SERVERS = ("jlink", "openocd", "pyocd", "pe", "stlink", "stutil", "qemu", "bmp", "external")


def entry(tmp_path: Path, name: str = "demo") -> dict[str, object]:
    folder = tmp_path / ".vscode" / "idoldbg"
    files = SymbolFiles(folder / "kernel.elf", (folder / "task-0-jefe.elf",))
    found: dict[str, object] = configuration(name, files, tmp_path, "/usr/bin/gdb-multiarch", 3333)
    return found


def test_keys_are_documented_ones_of_their_types(tmp_path: Path) -> None:
    found = entry(tmp_path)
    assert set(found) <= set(DOCUMENTED)
    for key, value in found.items():
        assert isinstance(value, DOCUMENTED[key])
    assert (found["type"], found["request"]) == ("cortex-debug", "attach")
    assert found["servertype"] in SERVERS
    assert found["gdbTarget"] == "localhost:3333"
    assert found["symbolFiles"] == [
        "${workspaceFolder}/.vscode/idoldbg/kernel.elf",
        "${workspaceFolder}/.vscode/idoldbg/task-0-jefe.elf",
    ]


def test_an_images_name_is_not_a_variable_of_the_editor(tmp_path: Path) -> None:
    name = entry(tmp_path, "${command:evil}\x1b")["name"]
    assert name == "Hubris: _{command:evil}\\u{1b} (idoldbg)"


def test_a_new_file_has_the_one_configuration(tmp_path: Path) -> None:
    path = tmp_path / ".vscode" / "launch.json"
    assert write_launch(path, entry(tmp_path)) is False
    written = json.loads(path.read_text())
    assert written == {"version": "0.2.0", "configurations": [entry(tmp_path)]}


def test_others_stay_and_ours_is_replaced_in_place(tmp_path: Path) -> None:
    path = tmp_path / "launch.json"
    ours = entry(tmp_path)
    before = [{"name": "a"}, {**ours, "gdbTarget": "old"}, {"name": "b"}]
    path.write_text(json.dumps({"version": "0.2.0", "inputs": [1], "configurations": before}))
    for _ in range(2):
        assert write_launch(path, ours) is True
        written = json.loads(path.read_text())
        assert written["configurations"] == [{"name": "a"}, ours, {"name": "b"}]
        assert written["inputs"] == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{ // mine\n "configurations": [] }', "has comments, or is not JSON"),
        ('{"configurations": [],}', "has comments, or is not JSON"),
        ("[" * 100_000, "has comments, or is not JSON"),
        ("[]", "no list of `configurations`"),
        ('{"configurations": {}}', "no list of `configurations`"),
        ('{"configurations": [1]}', "no list of `configurations`"),
    ],
)
def test_a_file_that_would_lose_something_is_left_as_it_is(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "launch.json"
    path.write_text(text)
    with pytest.raises(ArgumentError, match=message):
        write_launch(path, entry(tmp_path))
    assert path.read_text() == text
