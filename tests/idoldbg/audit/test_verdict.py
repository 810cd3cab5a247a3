"""Verdicts that fail a build: levels, baselines, suppressions."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from idoldbg.audit import Audit, Finding, Level, Role
from idoldbg.audit.baseline import format_baseline, parse_baseline
from idoldbg.audit.suppressions import parse_suppressions
from idoldbg.audit.verdict import Standing, judge
from idoldbg.errors import ArgumentError

TODAY = datetime.date(2027, 1, 15)


def finding(rule: str = "type-missing", level: Level = Level.ERROR, **parts: str) -> Finding:
    made = {"task": "spi", "interface": "Spi", "operation": "read", "type": "SpiError", **parts}
    return Finding(rule, level, "message", "fix", role=Role.ERROR, **made)


@pytest.fixture
def report(demo: Audit) -> Audit:
    return replace(
        demo,
        findings=(
            finding(),
            finding("custom-serialization", Level.WARNING, operation="write"),
            finding("caller-restricted", Level.NOTE, task="jefe", interface="Jefe"),
        ),
    )


@pytest.mark.parametrize(
    ("fail_on", "levels", "failed"),
    [
        ("error", {Level.ERROR, Level.WARNING, Level.NOTE}, True),
        ("error", {Level.WARNING, Level.NOTE}, False),
        ("warning", {Level.WARNING}, True),
        ("warning", {Level.NOTE}, False),
        ("none", {Level.ERROR}, False),
    ],
)
def test_fail_on(fail_on: str, levels: set[Level], failed: bool, report: Audit) -> None:
    kept = tuple(f for f in report.findings if f.level in levels)
    assert judge(replace(report, findings=kept), fail_on=fail_on).has_failed is failed


def test_a_baseline_matches_findings_whatever_their_message(report: Audit) -> None:
    known = parse_baseline(format_baseline(report.findings), "baseline.json")
    later = tuple(replace(f, message="other words", place=None) for f in report.findings)
    new = finding(operation="exchange")
    verdict = judge(replace(report, findings=(*later, new)), baseline=known)
    assert verdict.open == (new,)
    assert verdict.count_standing(Standing.BASELINE) == 3
    assert verdict.has_failed


def test_findings_gone_since_the_baseline_are_reported(report: Audit) -> None:
    known = parse_baseline(format_baseline(report.findings), "baseline.json")
    verdict = judge(replace(report, findings=report.findings[1:]), baseline=known)
    assert verdict.remarks == ("gone since the baseline: type-missing, Spi.read (task spi)",)


def test_baseline_is_stable_text(report: Audit) -> None:
    text = format_baseline(report.findings)
    assert text == format_baseline(reversed(report.findings))
    assert "message" not in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "idoldbg.audit/1"}',
        "{" * 5000,
        '{"schema": "idoldbg.baseline/1"}',
        '{"schema": "idoldbg.baseline/1", "findings": [1]}',
    ],
)
def test_files_that_are_not_baselines_are_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"b\.json"):
        parse_baseline(text, "b.json")


# ---- suppressions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "is_covered"),
    [
        ("", True),
        ('task = "spi"', True),
        ('task = "s*"\noperation = "re?d"', True),
        ('task = "jefe"', False),
        ('interface = "Spi"\noperation = "write"', False),
        ("expires = 2027-01-15", True),
        ("expires = 2027-01-14", False),
        ('expires = "2027-01-14"', False),
    ],
)
def test_suppression_covers(keys: str, is_covered: bool, report: Audit) -> None:
    text = f'[[suppress]]\nrule = "type-missing"\nreason = "known to QA"\n{keys}\n'
    verdict = judge(report, suppressions=parse_suppressions(text, "s.toml"), today=TODAY)
    assert verdict.has_failed is not is_covered
    reasons = [j.reason for j in verdict.judged if j.standing is Standing.SUPPRESSED]
    assert reasons == ["known to QA"] * is_covered


def test_unused_and_expired_suppressions_are_reported(report: Audit) -> None:
    text = """
        [[suppress]]
        rule = "type-missing"
        reason = "until the next compiler"
        expires = 2026-12-31

        [[suppress]]
        rule = "hiffy-absent"
        reason = "a production image"
    """
    verdict = judge(report, suppressions=parse_suppressions(text, "s.toml"), today=TODAY)
    assert verdict.remarks == (
        "suppression entry 1 (type-missing) has expired on 2026-12-31",
        "suppression entry 2 (hiffy-absent) matches nothing: take it out",
    )
    assert verdict.has_failed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[suppress]\n", "not TOML"),
        ("a = 1", "`a` is not known"),
        ("suppress = 1", "as a table"),
        ('[[suppress]]\nrule = "type-missing"', "`reason` is missing"),
        ('[[suppress]]\nreason = "x"', "`rule` is missing"),
        ('[[suppress]]\nrule = "type-mising"\nreason = "x"', "did you mean `type-missing`"),
        ('[[suppress]]\nrule = "type-missing"\nreason = ""', "`reason` must be a string"),
        ('[[suppress]]\nrule = "type-missing"\nreason = "x"\nop = "y"', "unknown key `op`"),
        ('[[suppress]]\nrule = "type-missing"\nreason = "x"\nexpires = 7', "should be a day"),
    ],
)
def test_wrong_suppressions_have_a_reason(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=r"s\.toml") as error:
        parse_suppressions(text, "s.toml")
    assert message in str(error.value)
