"""An audit for code scanners: SARIF.

Ref: OASIS Static Analysis Results Interchange Format 2.1.0; section numbers stand beside the parts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from idoldbg.audit import RULES, Finding, Rule
from idoldbg.audit.verdict import Judged, Standing, Verdict
from idoldbg.render.audit.files import Files
from idoldbg.render.printable import printable

__all__ = ["to_sarif"]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
Object = dict[str, Any]


def to_sarif(verdict: Verdict, files: Files) -> Object:
    """Return an audit as one run of one tool, which describes each rule that it reports."""
    found = {judged.finding.rule for judged in verdict.judged}
    rules = [rule for rule in RULES.values() if rule.id in found]
    index = {rule.id: number for number, rule in enumerate(rules)}
    has_baseline = any(j.standing is Standing.BASELINE for j in verdict.judged)
    run = {
        "tool": {
            "driver": {
                "name": "idoldbg audit",
                "informationUri": "https://hubris.oxide.computer/",
                "rules": [_rule(rule) for rule in rules],
            }
        },
        # 3.17.3: the results of one image replace those of its last audit, not of other images.
        "automationDetails": {"id": f"idoldbg-audit/{_identity(verdict)}/"},
        "columnKind": "unicodeCodePoints",  # 3.14.17: our columns count characters
        "artifacts": [{"location": {"uri": uri}} for uri in _artifacts(verdict, files)],
        "results": [
            _result(judged, index[judged.finding.rule], verdict, files, has_baseline)
            for judged in verdict.judged
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _identity(verdict: Verdict) -> str:
    audit = verdict.audit
    name = audit.name or Path(audit.archive).stem or "build"
    return "/".join(quote(part, safe="") for part in (name, audit.image_name) if part)


def _artifacts(verdict: Verdict, files: Files) -> list[str]:
    """3.14.15: each file once."""
    names = [files.name(s) for s in verdict.audit.servers if s.source is not None]
    return list(dict.fromkeys(_uri(name) for name in [verdict.audit.archive, *names] if name))


def _rule(rule: Rule) -> Object:
    """3.49: a reportingDescriptor; its page is both the plain and the formatted help."""
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": str(rule.level)},
    }


def _result(
    judged: Judged, rule_index: int, verdict: Verdict, files: Files, has_baseline: bool
) -> Object:
    """3.27: a result. The fix belongs to the message: there is no place for advice alone."""
    finding = judged.finding
    result: Object = {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": str(finding.level),
        "message": {"text": f"{_text(finding.message)}\nFix: {_text(finding.fix)}"},
        "locations": [_location(finding, verdict, files)],
        # 3.27.17: survives lines that are added above, and other words.
        "partialFingerprints": {"idoldbgAudit/v1": finding.fingerprint},
    }
    if judged.standing is Standing.SUPPRESSED:  # 3.27.23
        suppression = {"kind": "external", "status": "accepted", "justification": judged.reason}
        result["suppressions"] = [suppression]
    if has_baseline:  # 3.27.24
        is_known = judged.standing is Standing.BASELINE
        result["baselineState"] = "unchanged" if is_known else "new"
    return result


def _text(text: str) -> str:
    """3.11.5, 3.11.6: plain text, in which `[words](target)` would be a link."""
    return re.sub(r"[\\\[\]]", r"\\\g<0>", printable(text)) if "](" in text else printable(text)


def _location(finding: Finding, verdict: Verdict, files: Files) -> Object:
    """3.28: a location, in the interface's text or, for the image as a whole, the archive."""
    uri = _uri(files.of(finding) or verdict.audit.archive or "build")
    physical: Object = {"artifactLocation": {"uri": uri}}
    if finding.place is not None:  # 3.30: a region ends before `endColumn`
        physical["region"] = {
            "startLine": finding.place.line,
            "startColumn": finding.place.column,
            "endLine": finding.place.end_line,
            "endColumn": finding.place.end_column,
        }
    location: Object = {"physicalLocation": physical}
    name = "::".join(part for part in (finding.task, finding.interface, finding.operation) if part)
    if name:  # 3.33
        kind = "function" if finding.operation else "module"
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": kind}]
    return location


def _uri(name: str) -> str:
    """3.10: relative names stay relative, to whatever the reader takes for the root."""
    path = Path(name)
    if path.is_absolute():
        return path.as_uri()
    return quote(path.as_posix(), errors="surrogateescape")
