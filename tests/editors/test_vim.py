"""The files for Vim, in Vim."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.tools import need

ROOT = Path(__file__).parent.parent.parent
RUNTIME = ROOT / "editors" / "vim"
SAMPLES = ["tests/editors/light.idol", "tests/idol/everything.idol", "tests/idol/styles.idol"]


def vim(script: str, cwd: Path) -> None:
    """Run commands in a Vim that has nothing but its own runtime and ours."""
    path = cwd / "script.vim"
    path.write_text(script + "\nqall!\n")
    commands = [f"set runtimepath^={RUNTIME}", "filetype plugin indent on", "syntax on"]
    options = ["-N", "-u", "NONE", "-i", "NONE", "-n", "-es"]
    options += [part for command in commands for part in ("-c", command)]
    subprocess.run(
        [need("vim", of="vim"), *options, "-S", str(path)],
        cwd=cwd,
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def ask(expression: str, file: Path, cwd: Path) -> Any:
    """Return what an expression of Vim is in a file."""
    out = cwd / "out.json"
    begin = f"edit {file}\n"
    vim(f"{begin}call writefile([json_encode({expression})], '{out}')", cwd=cwd)
    return json.loads(out.read_text())


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("Interface", "idolStructure"),
        ("name:", "idolField"),
        ("Light", "idolTypeName"),
        ("set", "idolKey"),
        ("index", "idolKey"),
        ("u8", "idolPrimitive"),
        ("Mode", "idolTypeName"),
        ("FromPrimitive", "idolVariant"),
        ("Zerocopy", "idolConstant"),
        ("true", "idolBoolean"),
        ("1_000", "idolNumber"),
        ("Block", "idolComment"),
        ("still", "idolComment"),
        ("no string", "idolComment"),
        ("Lights with", "idolProseString"),
        ("Raw", "idolRawString"),
        ("implicit_some", "idolAttribute"),
    ],
)
def test_syntax_groups(text: str, group: str, tmp_path: Path) -> None:
    sample = ROOT / "tests/editors/light.idol"
    lines = sample.read_text().split("\n")
    row = next(n for n, line in enumerate(lines) if text in line)
    place = f"synIDattr(synID({row + 1}, {lines[row].index(text) + 1}, 1), 'name')"
    assert ask(f"[&filetype, {place}]", sample, tmp_path) == ["idol", group]


@pytest.mark.parametrize("sample", SAMPLES)
def test_indenting_what_is_formatted_changes_nothing(sample: str, tmp_path: Path) -> None:
    formatted = (ROOT / sample).read_text()
    path = tmp_path / "x.idol"
    path.write_text("\n".join(line.lstrip() for line in formatted.split("\n")))
    vim(f"edit {path}\nnormal gg=G\nwrite", cwd=tmp_path)
    assert path.read_text() == formatted


def test_settings_are_those_of_the_formatter(tmp_path: Path) -> None:
    settings = "[&shiftwidth, &expandtab, &textwidth, &commentstring, &formatprg]"
    path = tmp_path / "x.idol"
    path.write_text("")
    assert ask(settings, path, tmp_path) == [4, 1, 100, "// %s", "idol fmt -"]


def test_make_goes_to_the_place_of_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "x.idol"
    path.write_text('Interface(\n    name: "X",\n    oops: {},\n)\n')
    errors = (
        "x.idol:3:5: error: unknown field `oops` [unknown-field]\n"
        " 3 |     oops: {},\n   |     ^^^^\n  hint: did you mean `ops`?\n"
    )
    (tmp_path / "errors").write_text(errors)
    found = "map(getqflist(), '[v:val.lnum, v:val.col, v:val.type, v:val.text]')"
    out = tmp_path / "out.json"
    script = f"edit {path}\ncgetfile errors\ncall writefile([json_encode({found})], '{out}')"
    vim(script, cwd=tmp_path)
    assert json.loads(out.read_text()) == [[3, 5, "e", "unknown field `oops` [unknown-field]"]]


@pytest.mark.parametrize(
    ("text", "filetype"),
    [("// x\nInterface(\n", "idol"), ("interface nsIThing {\n", "idl")],
)
def test_idl_files_are_idol_if_they_begin_like_it(text: str, filetype: str, tmp_path: Path) -> None:
    path = tmp_path / "x.idl"
    path.write_text(text)
    assert ask("&filetype", path, tmp_path) == filetype
