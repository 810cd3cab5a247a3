"""`idoldbg audit` as people and CI call it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as XmlTree

import pytest

from idoldbg.audit import RULES
from idoldbg.cli import run
from idoldbg.cli.audit_output import read_interface_files
from idoldbg.errors import ArgumentError
from tests.conftest import ARCHIVES, ROOT

Capture = pytest.CaptureFixture[str]
NO_HIFFY = str(ARCHIVES / "stm32f4-discovery-no-hiffy.zip")
BUILD = str(ARCHIVES / "stm32f4-discovery.zip")


def test_demo_image_passes(capsys: Capture) -> None:
    assert run(["audit"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1].startswith("PASS  47 of 48 operations can be called")
    assert captured.err == ""


@pytest.mark.parametrize(
    "argv",
    [
        ["audit", NO_HIFFY],
        ["audit", "-a", NO_HIFFY],
        ["-a", NO_HIFFY, "audit"],
        ["audit", NO_HIFFY, "--fail-on", "warning"],
        ["audit", NO_HIFFY, "--rule", "hiffy-absent"],
    ],
)
def test_errors_fail(argv: list[str], capsys: Capture) -> None:
    assert run(argv) == 1
    assert "FAIL  0 of 14 operations" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        ["audit", NO_HIFFY, "--fail-on", "none"],
        ["audit", NO_HIFFY, "--rule", "type-missing"],
        ["audit", "--fail-on", "warning"],
    ],
)
def test_others_pass(argv: list[str], capsys: Capture) -> None:
    assert run(argv) == 0
    assert "PASS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["audit", "--format", "xml"], 2, "unknown format `xml`"),
        (["audit", "--format", "json,sarif"], 2, "json and sarif on one output"),
        (["audit", "--format", "json=a.json", "-o", "b.json"], 2, "has its file already"),
        (["audit", "--format", "json=a", "--format", "sarif=a"], 2, "cannot go to one file"),
        (["audit", "--rule", "type-mising"], 2, "did you mean `type-missing`"),
        (["audit", "--explain", "type-mising"], 2, "type-missing"),
        (["audit", "--idl", "/nowhere"], 2, "is not a directory"),
        (["audit", "--write-baseline"], 2, "needs --baseline FILE"),
        (["audit", "--baseline", "/nowhere.json"], 4, "/nowhere.json"),
        (["audit", "/nowhere.zip"], 4, "/nowhere.zip"),
        (["audit", NO_HIFFY, "-a", "other.zip"], 2, "Give one build"),
        (["audit", "--diff", "/nowhere", "/nowhere", "--format", "html"], 2, "text or json"),
        (["audit", "--diff", NO_HIFFY, NO_HIFFY, "--rule", "hif-version"], 2, "--rule cannot"),
        (["audit", NO_HIFFY, "--diff", NO_HIFFY, NO_HIFFY], 2, "ARCHIVE cannot be given"),
        (["audit", "--baseline=a", "--write-baseline", "--rule=hif-version"], 2, "--rule cannot"),
        (["audit", "-o", "/dev/full"], 4, "error: /dev/full: No space left"),
        (["audit", "--type", "nonsense"], 2, "--type"),
    ],
)
def test_usage_is_explained(argv: list[str], code: int, said: str, capsys: Capture) -> None:
    assert run(argv) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_several_formats_at_once(tmp_path: Path, capsys: Capture) -> None:
    names = ("text", "json", "junit", "sarif", "github", "markdown", "html")
    argv = [f"--format={name}={tmp_path / name}" for name in names]
    assert run(["audit", *argv]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("PASS")
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    assert json.loads((tmp_path / "json").read_text())["schema"] == "idoldbg.audit/1"
    assert json.loads((tmp_path / "sarif").read_text())["version"] == "2.1.0"
    assert XmlTree.parse(tmp_path / "junit").getroot().tag == "testsuites"
    assert (tmp_path / "html").read_text().startswith("<!DOCTYPE html>")
    assert "\x1b" not in (tmp_path / "text").read_text()


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.html", "<!DOCTYPE"),
        ("a.xml", "<?xml"),
        ("a.sarif", "{"),
        ("a.md", "## "),
        ("a", "stm32"),
    ],
)
def test_the_suffix_selects_the_format(name: str, start: str, tmp_path: Path) -> None:
    assert run(["audit", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text().startswith(start)


def test_step_summary_is_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert run(["audit", NO_HIFFY, "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith("::error title=hiffy-absent")
    assert summary.read_text().startswith("before\n## ❌ Idol audit: stm32f4-discovery")


def test_idl_folder_names_the_files(capsys: Capture) -> None:
    assert run(["audit", "--idl", str(ROOT / "fixtures" / "idl"), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    files = {server["task"]: Path(server["file"]).name for server in shown["servers"]}
    assert files["user_leds"] == "user-leds.idol"
    assert files["sleeper"] == "victim.idol"
    (found,) = (f for f in shown["findings"] if f["rule"] == "caller-restricted")
    assert Path(found["file"]).read_text().splitlines()[found["line"] - 1].strip() == (
        '"get_reset_reason": ('
    )


def test_idl_folder_is_a_source_tree(tmp_path: Path, capsys: Capture) -> None:
    text = (ROOT / "fixtures" / "idl" / "jefe.idol").read_text()
    for folder in (".git", "target", "idl"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "jefe.idol").write_text(text)
    (tmp_path / "target" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55")
    os.mkfifo(tmp_path / "idl" / "pipe.idol")
    assert run(["audit", "--idl", str(tmp_path), "--format", "json"]) == 0
    servers = json.loads(capsys.readouterr().out)["servers"]
    assert (tmp_path / "idl" / "jefe.idol").as_posix() in {server["file"] for server in servers}
    with pytest.raises(ArgumentError, match="more than 3 files"):
        read_interface_files([str(tmp_path)], most_entries=3)


def test_baseline_round_trip(tmp_path: Path, capsys: Capture) -> None:
    path = str(tmp_path / "baseline.json")
    assert run(["audit", NO_HIFFY, "--baseline", path, "--write-baseline"]) == 0
    assert "3 findings written" in capsys.readouterr().err
    assert run(["audit", NO_HIFFY, "--baseline", path]) == 0
    assert "3 in the baseline" in capsys.readouterr().out


def test_one_rule_has_no_remarks_on_others(tmp_path: Path, capsys: Capture) -> None:
    baseline, suppressions = tmp_path / "baseline.json", tmp_path / "suppressions.toml"
    assert run(["audit", NO_HIFFY, "--baseline", str(baseline), "--write-baseline"]) == 0
    suppressions.write_text('[[suppress]]\nrule = "hif-version"\nreason = "old"\n')
    known = ["--baseline", str(baseline), "--suppressions", str(suppressions)]
    assert run(["audit", NO_HIFFY, *known, "--rule", "hiffy-absent"]) == 0
    shown = capsys.readouterr().out
    assert "1 in the baseline" in shown
    assert "gone since" not in shown and "matches nothing" not in shown


@pytest.mark.parametrize("argv", [["audit"], ["audit", "--diff", BUILD, BUILD]])
def test_override_of_no_type_is_refused(argv: list[str], capsys: Capture) -> None:
    assert run([*argv, "--type", "SpiErorr=u8"]) == 2
    assert "has a type called `SpiErorr`; did you mean `SpiError`?" in capsys.readouterr().err


def test_step_summary_that_cannot_be_written_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/nowhere/summary.md")
    assert run(["audit", NO_HIFFY, "--format", "github"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("::error title=hiffy-absent")
    assert "summary is left out: /nowhere/summary.md" in captured.err


@pytest.mark.parametrize("before", ["", "before\n", "before"])
def test_step_summary_is_whole_or_not_there(
    before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Others write to the file too: what they wrote stays, and begins and ends at lines."""
    summary = tmp_path / "summary.md"
    summary.write_text(before)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    write = os.write
    with monkeypatch.context() as patch:  # as on a disk that fills up
        patch.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        assert run(["audit", NO_HIFFY, "--format", "github"]) == 1
    assert "summary is left out" in capsys.readouterr().err
    assert summary.read_text() == before
    assert run(["audit", NO_HIFFY, "--format", "github"]) == 1
    assert summary.read_text().startswith(f"{before.strip()}\n## ❌" if before else "## ❌")


def test_suppressions_are_shown_with_their_reasons(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "suppressions.toml"
    path.write_text('[[suppress]]\nrule = "hiffy-absent"\nreason = "production image"\n')
    assert run(["audit", NO_HIFFY, "--suppressions", str(path), "-v"]) == 0
    assert "error: hiffy-absent: image: production image" in capsys.readouterr().out


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained(rule: str, capsys: Capture) -> None:
    assert run(["audit", "--explain", rule]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"# {rule}: {RULES[rule].title}\n\n({RULES[rule].level})\n")


def test_rules_are_listed(capsys: Capture) -> None:
    assert run(["audit", "--explain"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(RULES)
    assert run(["audit", "--explain", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rules"]) == len(RULES)


def test_diff(capsys: Capture, golden: Callable[[str, str], None]) -> None:
    demo, other = (str(ARCHIVES / f"{n}.zip") for n in ("stm32f4-discovery", "nucleo-g031"))
    assert run(["audit", "--diff", demo, demo]) == 0
    assert "no difference" in capsys.readouterr().out
    assert run(["audit", "--diff", demo, other]) == 1
    head, _, body = capsys.readouterr().out.partition("\n")
    assert head.startswith("stm32f4-discovery default ")
    golden("audit/diff.txt", body)
    assert run(["audit", "--diff", demo, other, "--fail-on", "none", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "idoldbg.audit-diff/1"


def test_documented_rules_are_all() -> None:
    page = (ROOT / "docs" / "audit.md").read_text()
    for rule in RULES.values():
        assert f"| `{rule.id}` | {rule.level} | {rule.title} |" in page, rule.id


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_colours_on_a_terminal_alone(no_color: str, is_coloured: bool) -> None:
    """Run with a terminal for standard output; elsewhere the output is plain (above)."""
    primary, terminal = pty.openpty()
    environment = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "idoldbg", "audit"], stdout=terminal, env=environment
    )
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(primary, 65536):
            shown += part
    except OSError:
        pass  # Linux: the last one who had the terminal is gone
    os.close(primary)
    assert process.wait(timeout=60) == 0
    assert b"PASS" in shown
    assert (b"\x1b[" in shown) is is_coloured


@pytest.mark.parametrize("command", ["audit", "list", "types", "stubs"])
def test_questions_about_builds_do_not_speak_of_probes(command: str, capsys: Capture) -> None:
    assert run([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert "--archive" in out and "--no-cache" in out
    assert "--probe" not in out and "--timeout" not in out
    if command in ("audit", "list"):  # they are taken all the same
        assert run([command, "--board", "nucleo-g031", "--probe", "emu"]) == 0
