"""Damaged interfaces: everything that reads them ends soon, with findings or a result.

`benchmarks/fuzz_idol.py` does the same 100,000 times.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

import idol
from idol.diff import compare
from idol.document import FORMATS as PAGES
from idol.document import describe
from idol.report import FORMATS as REPORTS
from idol.report import FileReport
from idol.report.changes import changes_to_json, changes_to_text
from tests.idol import mutate

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PATHS = [*sorted((ROOT / "fixtures" / "idl").glob("*.idol")), HERE / "everything.idol"]
EXAMPLES = [
    rule.page.split(f"## {section}\n\n```idol\n")[1].split("```")[0]
    for rule in idol.RULES.values()
    for section in ("Wrong", "Right")
]
PATIENCE_S = 30.0  # of CPU: a few milliseconds are usual, and what explodes takes for ever
TEXTS = [*(path.read_text() for path in PATHS), *EXAMPLES]


def examine(text: str, before: idol.Interface) -> str:
    """Do everything with a text that the commands do, and say how far it went."""
    source = idol.Source("fuzz.idol", text)
    try:
        interface = idol.parse(source)
    except idol.DiagnosedError as error:
        findings, interface = error.diagnostics, None
    else:
        findings = idol.check(interface, strict=True)
    assert findings or interface is not None
    for report in REPORTS.values():
        assert isinstance(report((FileReport(source.name, findings),)), str)
    try:
        result = idol.format_text(source)
    except idol.RonError:
        return "not RON"
    assert idol.format_text(result) == result
    if interface is None:
        return "no interface"
    for page in PAGES.values():
        page.render_page(describe(interface))
    comparison = compare(before, interface)
    changes_to_text(comparison)
    changes_to_json(comparison)
    if any(finding.severity is idol.Severity.ERROR for finding in findings):
        return "errors"
    return "good"


@pytest.mark.parametrize("seed", range(4))
def test_damaged_interfaces(seed: int) -> None:
    generator = random.Random(seed)
    before = idol.parse(TEXTS[0])
    ends = set()
    for _ in range(250):
        text = mutate.mutate(generator, TEXTS)
        started = time.process_time()
        ends.add(examine(text, before))
        assert time.process_time() - started < PATIENCE_S, text
    assert len(ends) >= 3  # the damage is of every kind
