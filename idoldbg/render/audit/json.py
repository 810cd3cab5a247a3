"""An audit as JSON, `idoldbg.audit/1`."""

from __future__ import annotations

from typing import Any

from idoldbg.audit import Audit, Finding, Level, OperationCoverage, ServerCoverage
from idoldbg.audit.verdict import Judged, Standing, Verdict
from idoldbg.render.audit.files import Files

__all__ = ["finding_object", "to_json"]

Object = dict[str, Any]


def to_json(verdict: Verdict, files: Files) -> Object:
    """Return the object of an audit."""
    audit = verdict.audit
    return {
        "schema": "idoldbg.audit/1",
        "archive": audit.archive,
        "image_id": audit.image_id or None,
        "name": audit.name,
        "board": audit.board,
        "image_name": audit.image_name,
        "git_rev": audit.git_rev or None,
        "fail_on": verdict.fail_on,
        "failed": verdict.has_failed,
        "hiffy": _hiffy(audit),
        "summary": _summary(verdict),
        "servers": [_server(server, files) for server in audit.servers],
        "findings": [_judged(judged, files) for judged in verdict.judged],
        "remarks": list(verdict.remarks),
    }


def _summary(verdict: Verdict) -> Object:
    summary = verdict.audit.summary
    return {
        "servers": summary.servers,
        "operations": summary.operations,
        "complete": summary.complete,
        "callable": summary.callable,
        "restricted": summary.restricted,
        **{f"{level}s": verdict.count(level) for level in Level},
        "suppressed": verdict.count_standing(Standing.SUPPRESSED),
        "baseline": verdict.count_standing(Standing.BASELINE),
    }


def _hiffy(audit: Audit) -> Object | None:
    """Return hiffy's limits in bytes; null where it cannot be used."""
    if audit.hiffy is None:
        return None
    layout, version = audit.hiffy.layout, audit.hiffy.version
    return {
        "version": None if version is None else ".".join(map(str, version)),
        "functions": list(layout.functions),
        "text": layout.text.size,
        "data": layout.data_size,
        "scratch": layout.scratch_size,
        "return_stack": layout.return_stack.size,
    }


def _server(server: ServerCoverage, files: Files) -> Object:
    return {
        "task": server.task,
        "interface": None if server.interface is None else server.interface.name,
        "file": files.name(server),
        "started": server.is_started,
        "operations": [_operation(operation) for operation in server.operations],
    }


def _operation(covered: OperationCoverage) -> Object:
    fit = covered.fit
    return {
        "name": covered.operation.name,
        "code": covered.operation.code,
        "complete": covered.is_complete,
        "callable": covered.is_callable,
        "restricted": covered.is_restricted,
        "marks": {str(aspect): str(mark) for aspect, mark in covered.marks.items()},
        "sizes": {
            "arguments": fit.arguments,
            "arguments_room": fit.arguments_room,
            "reply": fit.reply,
            "reply_room": fit.reply_room,
        },
        "lease_elements": dict(fit.elements),
    }


def _judged(judged: Judged, files: Files) -> Object:
    reason = {"reason": judged.reason} if judged.standing is Standing.SUPPRESSED else {}
    return {**finding_object(judged.finding, files), "standing": str(judged.standing), **reason}


def finding_object(finding: Finding, files: Files) -> Object:
    """Return the object of one finding; null stands for what does not apply."""
    place = finding.place
    return {
        "rule": finding.rule,
        "level": str(finding.level),
        "task": finding.task or None,
        "interface": finding.interface or None,
        "operation": finding.operation or None,
        "role": None if finding.role is None else str(finding.role),
        "name": finding.name or None,
        "type": finding.type or None,
        "message": finding.message,
        "fix": finding.fix,
        "file": files.of(finding),
        "line": None if place is None else place.line,
        "column": None if place is None else place.column,
        "fingerprint": finding.fingerprint,
        "candidates": [
            {"name": c.name, "size": c.size, "objects": list(c.objects)} for c in finding.candidates
        ],
    }
