"""Code shared by the linters: levels, rules, and the parts of SARIF and GitHub's commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import idol
from idol.cli import main
from idol.findings import Level, Rule, find_near_rule, github, sarif
from idol.findings.region import Region
from idol.rules import RULES
from idoldbg.audit.rules import RULES as AUDIT_RULES

TABLES = pytest.mark.parametrize("rules", [RULES, AUDIT_RULES], ids=["idol", "audit"])


def test_levels_go_from_worst_to_least() -> None:
    assert [level.rank for level in (Level.ERROR, Level.WARNING, Level.NOTE)] == [0, 1, 2]
    assert idol.Severity is Level  # its name in the Python API


@TABLES
def test_every_rule_has_a_page_with_its_headline(rules: Mapping[str, Rule]) -> None:
    for id_, rule in rules.items():
        title, blank, level, *_ = rule.format_page().split("\n")
        assert rule.id == id_ and id_ in title and blank == ""
        assert level == f"({rule.format_level()})"


@TABLES
def test_a_word_of_an_id_is_enough_for_a_suggestion(rules: Mapping[str, Rule]) -> None:
    assert find_near_rule(next(iter(rules)).upper().replace("-", "_"), rules) == next(iter(rules))
    assert find_near_rule("xyzzy", rules) is None
    assert find_near_rule("hiffy", AUDIT_RULES) == "hiffy-absent"


def test_a_region_of_several_lines_has_no_columns_on_github() -> None:
    assert github.place("a", Region(1, 2, 1, 4)) == {
        "file": "a",
        "line": 1,
        "endLine": 1,
        "col": 2,
        "endColumn": 4,
    }
    assert github.place("a", Region(1, 2, 3, 4)) == {"file": "a", "line": 1, "endLine": 3}


def test_nothing_of_a_text_ends_a_workflow_command() -> None:
    line = github.annotate(Level.NOTE, "a%\nb\r::error::", {"title": "x:y,z\n"})
    assert line == "::notice title=x%3Ay%2Cz%0A::a%25%0Ab\\u{d}::error::"


def test_a_link_in_a_message_is_escaped_for_scanners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SARIF 3.11.6: `[words](target)` is a link even in plain text."""
    monkeypatch.chdir(tmp_path)
    text = 'Interface(name: "I", ops: {"[u8](http://x)": (reply: Simple("u8"))})'
    Path("a.idol").write_text(text)
    assert main(["check", "--format", "sarif", "a.idol"]) == 1
    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    messages = [result["message"]["text"] for result in results]
    assert any(r"\[u8\](http" in message for message in messages), messages
    assert not any("[u8](http" in message for message in messages)
    assert sarif.escape_links("[u8; 4]") == "[u8; 4]"
