"""The outputs of `idol check`: text, JSON, SARIF, GitHub annotations; flags and exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import idol
from idol.cli import main
from idol.report import FORMATS, FileReport, to_github, to_sarif

#: An error with a second place and one with a hint; a warning; notes.
BAD = """\
Interface(
    name: "Light",
    ops: {
        "toggle": (args: {"a": "u8", "a": "u16"}, reply: Simple("()"), idempotent: true),
        "on": (reply: Simple("()"), idempotant: true),
        "écrire": (doc: "😀", reply: Result(ok: "Vec<", err: ServerDeath)),
    },
)
"""
GOOD = 'Interface(name: "I", ops: {"op": (doc: "x", reply: Simple("u8"), idempotent: true)})\n'
WARNED = 'Interface(name: "I", ops: {"op": (doc: "x", reply: Simple("u8"))})\n'
NOTED = 'Interface(name: "I", ops: {"op": (reply: Simple("u8"), idempotent: true)})\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("bad", BAD), ("good", GOOD), ("warned", WARNED), ("noted", NOTED)):
        Path(f"{name}.idol").write_text(text)
    return tmp_path


@pytest.mark.parametrize("form", FORMATS)
def test_report(
    form: str, capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None]
) -> None:
    assert main(["check", "--strict", "--format", form, "bad.idol", "good.idol"]) == 1
    suffix = {"text": "txt", "github": "txt", "sarif": "sarif", "json": "json"}[form]
    golden(f"idol/report_{form}.{suffix}", capsys.readouterr().out)


@pytest.mark.parametrize("form", FORMATS)
def test_report_of_good_files(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--strict", "--format", form, "good.idol"]) == 0
    output = capsys.readouterr().out
    if form == "github":
        assert output == ""
    elif form == "sarif":
        assert json.loads(output)["runs"][0]["results"] == []


# -- SARIF -------------------------------------------------------------------------------------


def get_sarif(text: str, name: str = "a.idol", strict: bool = True) -> dict[str, Any]:
    source = idol.Source(name, text)
    try:
        findings = idol.check(idol.parse(source), strict=strict)
    except idol.DiagnosedError as error:
        findings = error.diagnostics
    log: dict[str, Any] = json.loads(to_sarif((FileReport(name, findings),)))
    return log


def iter_objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from iter_objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from iter_objects(inner)


#: What section 3 of SARIF 2.1.0 lets an object have that has the first property: those that it
#: must have, those that it may have (of those that we write).
SHAPES: dict[str, tuple[set[str], set[str]]] = {
    "runs": ({"version", "runs"}, {"$schema"}),
    "results": ({"tool", "results"}, {"columnKind", "artifacts"}),
    "driver": ({"driver"}, set()),
    "rules": ({"name", "rules"}, set()),
    "shortDescription": ({"id"}, {"shortDescription", "help", "defaultConfiguration"}),
    "ruleIndex": (
        {"message", "ruleId", "ruleIndex", "level", "locations"},
        {"relatedLocations", "partialFingerprints"},
    ),
    "physicalLocation": ({"physicalLocation"}, {"id", "message"}),
    "artifactLocation": ({"artifactLocation", "region"}, set()),
    "startLine": ({"startLine"}, {"startColumn", "endLine", "endColumn"}),
    "uri": ({"uri"}, set()),
    "location": ({"location"}, set()),
    "text": ({"text"}, {"markdown"}),
    "idolLine/v1": ({"idolLine/v1"}, set()),
}


def check_sarif(log: dict[str, Any]) -> None:
    """Check what the schema would, and what only its prose says."""
    assert log["version"] == "2.1.0"
    for value in iter_objects(log):
        for mark, (needed, allowed) in SHAPES.items():
            if mark in value:
                assert needed <= set(value) <= needed | allowed | {mark}, value
                break
        else:
            assert set(value) == {"level"}, value
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    for rule in rules:
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == rules[result["ruleIndex"]]["defaultConfiguration"]["level"]
        assert result["message"]["text"]
        for number, related in enumerate(result.get("relatedLocations", [])):
            assert related["id"] == number
    for value in iter_objects(log):
        if "startLine" in value:
            start = (value["startLine"], value["startColumn"])
            assert (1, 1) <= start <= (value["endLine"], value["endColumn"])
        if "uri" in value:
            assert re.fullmatch(r"[A-Za-z0-9._~:/%+-]+", value["uri"])


@pytest.mark.parametrize("rule", idol.RULES)
def test_sarif_of_each_rule(rule: str) -> None:
    example = idol.RULES[rule].page.split("```idol\n")[1].split("```")[0]
    log = get_sarif(example, strict=idol.RULES[rule].is_strict)
    check_sarif(log)
    [result] = log["runs"][0]["results"]
    assert result["ruleId"] == rule


def test_sarif_of_many_findings() -> None:
    log = get_sarif(BAD)
    check_sarif(log)
    results = log["runs"][0]["results"]
    assert len(results) >= 6
    [duplicate] = [r for r in results if r["ruleId"] == "duplicate-name"]
    [first] = duplicate["relatedLocations"]
    assert first["physicalLocation"]["region"]["startColumn"] == 27
    assert duplicate["locations"][0]["physicalLocation"]["region"]["startColumn"] == 38


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("idl/spi.idol", "idl/spi.idol"),
        ("/a b/ö.idol", "file:///a%20b/%C3%B6.idol"),
        ("a%20b#c?.idol", "a%2520b%23c%3F.idol"),
        ("<stdin>", "%3Cstdin%3E"),
    ],
)
def test_sarif_names_files_by_uri(name: str, uri: str) -> None:
    log = get_sarif(WARNED, name)
    check_sarif(log)
    assert log["runs"][0]["artifacts"] == [{"location": {"uri": uri}}]


def test_sarif_fingerprints_survive_lines_above() -> None:
    prints = [
        [r["partialFingerprints"] for r in get_sarif(text)["runs"][0]["results"]]
        for text in (BAD, "// one more line\n" + BAD)
    ]
    assert prints[0] == prints[1]


# -- GitHub ------------------------------------------------------------------------------------


def test_github_escapes_the_end_of_a_command() -> None:
    source = idol.Source("a,b:c%d.idol", WARNED)
    findings = idol.check(idol.parse(source))
    [line] = to_github((FileReport(source.name, findings),)).splitlines()
    head, text = line.removeprefix("::").split("::", 1)
    command, properties = head.split(" ", 1)
    assert command == "warning"
    assert "file=a%2Cb%3Ac%25d.idol" in properties.split(",")
    assert "line=1" in properties.split(",")
    assert "\n" not in text
    assert "%0Ahint: " in text


# -- flags, exit codes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["good.idol"], 0),
        (["noted.idol"], 0),
        (["warned.idol"], 0),
        (["bad.idol"], 1),
        (["good.idol", "bad.idol"], 1),
        (["warned.idol", "--fail-on", "warning"], 1),
        (["warned.idol", "--fail-on", "note"], 1),
        (["noted.idol", "--strict"], 0),
        (["noted.idol", "--strict", "--fail-on", "warning"], 0),
        (["noted.idol", "--strict", "--fail-on", "note"], 1),
        (["noted.idol", "--strict", "--fail-on", "note", "--ignore", "undocumented"], 0),
        (["warned.idol", "--fail-on", "warning", "--ignore", "cannot-tell-server-death"], 0),
        (["good.idol", "--ignore", "undocumentd"], 2),
        (["good.idol", "--ignore", "ron-syntax"], 2),
        (["none.idol"], 4),
        (["bad.idol", "none.idol"], 4),
    ],
)
def test_exit_code(arguments: list[str], code: int) -> None:
    assert main(["check", *arguments]) == code


def test_unreadable_file_hides_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "none.idol", "bad.idol", "nowhere.idol"]) == 4
    output = capsys.readouterr()
    assert "[unknown-field]" in output.out
    assert "1 file, 3 errors, 1 warning" in output.out
    assert "none.idol: cannot be read" in output.err
    assert "nowhere.idol: cannot be read" in output.err


def test_wrong_rule_to_ignore_names_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--ignore", "undocumentd", "good.idol"])
    assert "did you mean `undocumented`?" in capsys.readouterr().err


def test_strict_is_off_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "noted.idol"])
    assert capsys.readouterr().out == "1 file: nothing to report\n"
    main(["check", "--strict", "noted.idol"])
    assert "1 file, 1 note" in capsys.readouterr().out
