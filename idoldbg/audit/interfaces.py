"""Checks of the interfaces' texts, as they stand in the image's `.idolatry` sections."""

from __future__ import annotations

from collections.abc import Iterator

import idol
from idol.findings.region import Region
from idoldbg.audit.finding import Finding, make_finding
from idoldbg.audit.image import Image
from idoldbg.audit.objects import damaged
from idoldbg.build.program import Program, ServedInterface
from idoldbg.errors import DebugInfoError
from idoldbg.model.archive import TaskImage

__all__ = ["check_readable", "check_text", "read_text"]

_PARSE_FIX = (
    "Correct the text and build again; `idol check` says the same about the file. Until then "
    "nobody but generated clients can call this task."
)


def read_text(program: Program, task: str) -> idol.Source | None:
    """Return the text of the interface that a task serves; None where there is none to read."""
    try:
        text = program.object(task).idolatry
    except DebugInfoError:
        return None
    return idol.Source(f"{task}.idol", text) if text else None


def check_readable(program: Program) -> Iterator[tuple[TaskImage, Finding]]:
    """Report the tasks whose interface cannot be read."""
    for name, reason in program.unreadable_interfaces:
        task = program.task(name)
        source = read_text(program, name)
        if source is None:
            yield task, damaged(name, reason)
            continue
        for diagnostic in _diagnose(source):
            yield task, _unparsable(name, "", diagnostic)


def _diagnose(source: idol.Source) -> tuple[idol.Diagnostic, ...]:
    try:
        return idol.parse(source).errors
    except idol.DiagnosedError as error:
        return error.diagnostics


def check_text(image: Image, server: ServedInterface) -> Iterator[Finding]:
    """Report what the reader of an interface complains about."""
    for diagnostic in server.interface.diagnostics:
        if diagnostic.rule == "unknown-field":
            yield _unknown_field(server, diagnostic)
        elif diagnostic.severity is idol.Severity.ERROR:
            yield _unparsable(server.task.name, server.interface.name, diagnostic)


def _unparsable(task: str, interface: str, diagnostic: idol.Diagnostic) -> Finding:
    hint = f" {diagnostic.hint[0].upper()}{diagnostic.hint[1:]}." if diagnostic.hint else ""
    return make_finding(
        "interface-unparsable",
        f"the interface of task `{task}` cannot be read: {diagnostic.message}",
        _PARSE_FIX + hint,
        task,
        interface,
        name=_quote(diagnostic),
        place=Region.of(diagnostic.source, diagnostic.span),
    )


def _unknown_field(server: ServedInterface, diagnostic: idol.Diagnostic) -> Finding:
    operation = _operation_at(server.interface, diagnostic.span)
    near = f" ({diagnostic.hint})" if diagnostic.hint else ""
    return make_finding(
        "interface-unknown-field",
        f"{diagnostic.message}: generators of upstream ignore it, so it has no effect{near}",
        "Correct its spelling, or take it out.",
        server.task.name,
        server.interface.name,
        "" if operation is None else operation.name,
        name=_quote(diagnostic),
        place=Region.of(diagnostic.source, diagnostic.span),
    )


def _operation_at(interface: idol.Interface, span: idol.Span) -> idol.Operation | None:
    """Find the operation that a place belongs to: the last one that begins before it."""
    before = [o for o in interface.operations if o.span.start < span.start]
    return max(before, key=lambda o: o.span.start, default=None)


def _quote(diagnostic: idol.Diagnostic) -> str:
    """Return the text that a diagnostic points at, as far as it is short."""
    text = diagnostic.source.text[diagnostic.span.start : diagnostic.span.end]
    return text if len(text) <= 60 and text.isprintable() else f"offset {diagnostic.span.start}"
