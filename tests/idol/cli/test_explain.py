"""The pages of the rules: each says what its rule does, and its examples prove it."""

from __future__ import annotations

import json
import re
from importlib import resources

import pytest

import idol
from idol.cli import main


def find(text: str, strict: bool) -> list[str]:
    """Return the rules that a text breaks."""
    try:
        findings = idol.check(idol.parse(text), strict=strict)
    except idol.DiagnosedError as error:
        findings = error.diagnostics
    for finding in findings:
        assert finding.severity is idol.RULES[finding.rule].severity
    return [finding.rule for finding in findings]


def get_example(rule: str, section: str) -> str:
    match = re.search(rf"^## {section}\n\n```idol\n(.*?)```$", idol.RULES[rule].page, re.M | re.S)
    assert match, f"the page of {rule} has no section {section}"
    return match[1]


@pytest.mark.parametrize("rule", idol.RULES)
def test_wrong_example_breaks_exactly_its_rule(rule: str) -> None:
    assert find(get_example(rule, "Wrong"), idol.RULES[rule].is_strict) == [rule]


@pytest.mark.parametrize("rule", idol.RULES)
def test_right_example_breaks_no_rule(rule: str) -> None:
    assert find(get_example(rule, "Right"), idol.RULES[rule].is_strict) == []


@pytest.mark.parametrize("rule", idol.RULES)
def test_explain_prints_the_page(rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", rule]) == 0
    output = capsys.readouterr().out
    lines = output.splitlines()
    assert lines[0] == f"# {rule}: {idol.RULES[rule].title}"
    assert idol.RULES[rule].severity in lines[2]
    assert ("--strict" in lines[2]) is idol.RULES[rule].is_strict
    for section in ("## Why", "## Wrong", "## Right"):
        assert section in lines
    assert max(map(len, lines)) <= 120


def test_explain_without_a_rule_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    output = capsys.readouterr().out
    for rule in idol.RULES.values():
        assert re.search(rf"^{rule.id} +{rule.severity}.* {re.escape(rule.title)}", output, re.M)


def test_explain_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "no-access", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "idol.explain/1"
    [rule] = report["rules"]
    assert rule["rule"] == "no-access"
    assert rule["severity"] == "error"
    assert rule["strict"] is False
    assert rule["page"] == idol.RULES["no-access"].page
    assert main(["explain", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [rule["rule"] for rule in report["rules"]] == list(idol.RULES)


def test_explain_names_a_near_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "no-acess"]) == 2
    assert "did you mean `no-access`?" in capsys.readouterr().err
    assert main(["explain", "../../etc/passwd"]) == 2
    assert "unknown rule" in capsys.readouterr().err


def test_there_are_no_pages_without_a_rule() -> None:
    names = {entry.name for entry in resources.files("idol.rules").iterdir()}
    assert {name.removesuffix(".md") for name in names if name.endswith(".md")} == set(idol.RULES)
