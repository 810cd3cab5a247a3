"""The audit of whole builds: a complete one has no error and no warning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from idoldbg.audit import Audit, Level
from idoldbg.audit.verdict import judge
from idoldbg.render import json
from idoldbg.render.audit import Files
from idoldbg.render.audit.json import to_json
from idoldbg.render.audit.text import to_text
from tests.conftest import ARCHIVES
from tests.idoldbg.audit.conftest import audit_build

COMPLETE = ("stm32f4-discovery", "lpcxpresso55s69", "nucleo-g031")


def rules(report: Audit) -> Counter[str]:
    return Counter(finding.rule for finding in report.findings)


@pytest.mark.parametrize("name", COMPLETE)
def test_complete_build_has_notes_at_most(name: str) -> None:
    report = audit_build(ARCHIVES / f"{name}.zip")
    assert {f.level for f in report.findings} == {Level.NOTE}
    summary = report.summary
    assert summary.complete == summary.operations
    assert summary.callable == summary.operations - summary.restricted
    assert not judge(report, fail_on="warning").has_failed


def test_choices_of_the_demo_application_are_notes() -> None:
    report = audit_build(ARCHIVES / "stm32f4-discovery.zip")
    found = {(f.rule, f.task, f.operation) for f in report.findings}
    assert found == {
        ("caller-restricted", "jefe", "get_reset_reason"),
        ("task-not-started", "sleeper", ""),
    }


def test_build_without_hiffy_has_that_one_error() -> None:
    report = audit_build(ARCHIVES / "stm32f4-discovery-no-hiffy.zip")
    errors = [f.rule for f in report.findings if f.level is not Level.NOTE]
    assert errors == ["hiffy-absent"]
    summary = report.summary
    assert (summary.complete, summary.callable) == (summary.operations, 0)
    assert judge(report).has_failed
    assert not judge(report, fail_on="none").has_failed


@pytest.mark.parametrize("name", ["stm32f4-discovery", "stm32f4-discovery-no-hiffy"])
def test_reports_of_the_demo_builds(name: str, golden: Callable[[str, str], None]) -> None:
    verdict = judge(audit_build(ARCHIVES / f"{name}.zip"))
    files = Files(verdict.audit)
    text = to_text(verdict, files)
    golden(f"audit/{name}.txt", _without_ids(verdict.audit, text) + "\n")
    shown = to_json(verdict, files) | {"archive": "build.zip"}
    golden(f"audit/{name}.json", _without_ids(verdict.audit, json.dumps(shown)) + "\n")


def _without_ids(report: Audit, text: str) -> str:
    """Replace what changes with every build of the firmware."""
    text = text.replace(report.image_id, "IMAGE-ID")
    return text.replace(report.git_rev, "GIT-REV").replace(report.git_rev[:12], "GIT-REV")


# What each real build lacks, found by hand: cores were taken from production images without hiffy.
REAL = {
    "archives/build-gimlet-rot-c-image-b.zip": Counter({"caller-restricted": 1}),
    "cores/hubris.core.inheritance.0": Counter({"hiffy-absent": 1}),
    "cores/hubris.core.new-compiler": Counter({"hiffy-absent": 1, "caller-restricted": 1}),
    "cores/hubris.core.new-sensors": Counter({"hiffy-absent": 1}),
    "cores/hubris.core.v6": Counter({"hiffy-absent": 1}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_builds_have_the_expected_findings(name: str, real_hubris: Path) -> None:
    report = audit_build(real_hubris / name)
    assert rules(report) == REAL[name]
    assert report.summary.complete == report.summary.operations
