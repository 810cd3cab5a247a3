"""An audit for code scanners: SARIF (`idol.findings.sarif` names the source)."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from idol.findings import sarif
from idol.findings.sarif import Object
from idol.printable import printable
from idoldbg.audit import RULES, Finding
from idoldbg.audit.verdict import Judged, Standing, Verdict
from idoldbg.render.audit.files import Files

__all__ = ["to_sarif"]


def to_sarif(verdict: Verdict, files: Files) -> Object:
    """Return an audit as one run of one tool, which describes each rule that it reports."""
    rules = sarif.find_broken(RULES, (judged.finding.rule for judged in verdict.judged))
    index = {rule.id: number for number, rule in enumerate(rules)}
    has_baseline = any(j.standing is Standing.BASELINE for j in verdict.judged)
    names = [files.name(s) for s in verdict.audit.servers if s.source is not None]
    return sarif.make_log(
        {"name": "idoldbg audit", "informationUri": "https://hubris.oxide.computer/"},
        rules,
        (sarif.to_uri(name) for name in [verdict.audit.archive, *names] if name),
        (
            _result(judged, index[judged.finding.rule], verdict, files, has_baseline)
            for judged in verdict.judged
        ),
        f"idoldbg-audit/{_identity(verdict)}/",
    )


def _identity(verdict: Verdict) -> str:
    audit = verdict.audit
    name = audit.name or Path(audit.archive).stem or "build"
    return "/".join(quote(part, safe="") for part in (name, audit.image_name) if part)


def _result(
    judged: Judged, rule_index: int, verdict: Verdict, files: Files, has_baseline: bool
) -> Object:
    finding = judged.finding
    result = sarif.make_result(
        RULES[finding.rule],
        rule_index,
        finding.level,
        f"{_text(finding.message)}\nFix: {_text(finding.fix)}",
        _location(finding, verdict, files),
    )
    # 3.27.17: survives lines that are added above, and other words.
    result["partialFingerprints"] = {"idoldbgAudit/v1": finding.fingerprint}
    if judged.standing is Standing.SUPPRESSED:  # 3.27.23
        suppression = {"kind": "external", "status": "accepted", "justification": judged.reason}
        result["suppressions"] = [suppression]
    if has_baseline:  # 3.27.24
        is_known = judged.standing is Standing.BASELINE
        result["baselineState"] = "unchanged" if is_known else "new"
    return result


def _text(text: str) -> str:
    return sarif.escape_links(printable(text))


def _location(finding: Finding, verdict: Verdict, files: Files) -> Object:
    """3.28: a location, in the interface's text or, for the image as a whole, the archive."""
    uri = sarif.to_uri(files.of(finding) or verdict.audit.archive or "build")
    location: Object = {"physicalLocation": sarif.make_physical_location(uri, finding.place)}
    name = "::".join(part for part in (finding.task, finding.interface, finding.operation) if part)
    if name:  # 3.33
        kind = "function" if finding.operation else "module"
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": kind}]
    return location
