"""`manifest`, `extract` and `list --hiffy`: agreed output, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from json import loads
from pathlib import Path
from zipfile import ZipFile

import pytest

from idoldbg.cli import run
from idoldbg.opening import demo_archive

Golden = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]
DEMO = demo_archive("stm32f4-discovery")
OTHER = str(DEMO.parent / "stm32f4-discovery-no-hiffy.zip")

COMMANDS = {
    "manifest": ["manifest"],
    "manifest-diff": ["manifest", "--diff", OTHER],
    "extract": ["extract"],
}


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", COMMANDS)
def test_output_is_as_agreed(name: str, form: str, golden: Golden, capsys: Capture) -> None:
    assert run([*COMMANDS[name], "--format", form]) == 0
    found = capsys.readouterr()
    assert found.err == ""
    golden(f"cli/{name}.{form.replace('text', 'txt')}", found.out.replace(f"{DEMO.parent}/", ""))


def test_a_build_is_equal_to_itself(capsys: Capture) -> None:
    assert run(["manifest", "--diff", str(DEMO)]) == 0
    assert capsys.readouterr().out == "no difference\n"


def test_members_have_digests(capsys: Capture) -> None:
    assert run(["manifest", "--members", "--format", "json"]) == 0
    members = {m["name"]: m for m in loads(capsys.readouterr().out)["members"]}
    assert members["image-name"]["size"] == 7
    assert members["image-name"]["sha256"].startswith("37a8eec1ce19687d")  # of `default`


def test_extract_writes_the_very_bytes(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with ZipFile(DEMO) as archive:
        kernel, names = archive.read("elf/kernel"), archive.namelist()
    assert run(["extract", "kernel"]) == 0
    assert capfdbinary.readouterr().out == kernel
    assert run(["extract", "elf/kernel", "-o", str(tmp_path / "k")]) == 0
    assert (tmp_path / "k").read_bytes() == kernel
    assert run(["extract", "--all", str(tmp_path / "all")]) == 0
    assert (tmp_path / "all" / "elf" / "kernel").read_bytes() == kernel
    written = [p.relative_to(tmp_path / "all").as_posix() for p in (tmp_path / "all").rglob("*")]
    assert set(written) >= {name for name in names if not name.endswith("/")}
    before = (tmp_path / "all" / "elf" / "kernel").stat().st_mtime_ns
    assert run(["extract", "--all", str(tmp_path / "all")]) == 2
    assert (tmp_path / "all" / "elf" / "kernel").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["extract", "toml"], 2, "`toml` is a part of `app.toml`, `chip.toml`, `memory.toml`"),
        (["extract", "ap.toml"], 2, "did you mean `app.toml`"),
        (["extract", "-o", "x"], 2, "name a MEMBER"),
        (["extract", "app.toml", "--all", "x"], 2, "takes no MEMBER"),
        (["manifest", "--diff", "/no/such.zip"], 4, "/no/such.zip"),
        (["list", "--hiffy", "Spi"], 2, "lists all functions"),
    ],
)
def test_refusals(arguments: list[str], code: int, message: str, capsys: Capture) -> None:
    assert run(arguments) == code
    assert message in capsys.readouterr().err


def test_list_hiffy_is_what_hiffy_lists(capsys: Capture) -> None:
    outputs = []
    for arguments in (["list", "--hiffy"], ["hiffy"]):
        assert run([*arguments, "--format", "json"]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert "Send" in outputs[0]
