"""Findings for code scanners: SARIF (`idol.findings.sarif` names the source)."""

from __future__ import annotations

import hashlib
import json

from idol.findings import Rule, sarif
from idol.findings.region import Region
from idol.findings.sarif import Object
from idol.hints import Final
from idol.printable import escape_json, printable
from idol.report.files import FileReport
from idol.rules import RULES
from idol.source import Diagnostic, Source, Span

#: Characters of a line that tell it from others: all findings may stand on one.
_FINGERPRINTED: Final = 1000


def to_sarif(reports: tuple[FileReport, ...]) -> str:
    """Render as one run of one tool, which describes each rule that it found broken."""
    findings = [finding for report in reports for finding in report.findings]
    rules = sarif.find_broken(RULES, (finding.rule for finding in findings))
    index = {rule.id: number for number, rule in enumerate(rules)}
    log = sarif.make_log(
        {"name": "idol"},
        rules,
        (sarif.to_uri(report.name) for report in reports),
        (_result(RULES[finding.rule], index[finding.rule], finding) for finding in findings),
    )
    return escape_json(json.dumps(log, indent=2)) + "\n"


def _result(rule: Rule, rule_index: int, finding: Diagnostic) -> Object:
    message = finding.message + (f"\nhint: {finding.hint}" if finding.hint else "")
    result = sarif.make_result(
        rule,
        rule_index,
        finding.severity,
        sarif.escape_links(printable(message, "\n")),
        _location(finding.source, finding.span),
    )
    # 3.27.17: survives lines that are added above.
    result["partialFingerprints"] = {"idolLine/v1": _fingerprint(finding)}
    if finding.related:
        result["relatedLocations"] = [
            {
                "id": number,
                **_location(finding.source, related.span),
                "message": {"text": sarif.escape_links(printable(related.message))},
            }
            for number, related in enumerate(finding.related)
        ]
    return result


def _location(source: Source, span: Span) -> Object:
    """3.28: a location."""
    region = Region.of(source, span)
    uri = sarif.to_uri(source.name)
    return {"physicalLocation": sarif.make_physical_location(uri, region)}


def _fingerprint(finding: Diagnostic) -> str:
    span = finding.source.get_line_span(finding.location.line)
    line = finding.source.text[span.start : min(span.end, span.start + _FINGERPRINTED)].strip()
    text = f"{finding.rule}\0{line}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
