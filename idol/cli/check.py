"""`idol check`: report everything that is wrong with interface files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from idol.check import check
from idol.cli.codes import EXIT_CODES, FOUND, OK
from idol.cli.files import read_source
from idol.errors import DiagnosedError
from idol.parse import parse
from idol.source import Diagnostic, Severity


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check`."""
    checker = commands.add_parser(
        "check",
        help="report everything that is wrong with interface files",
        description="Report everything that is wrong with interface files, with the place of it.",
        epilog=EXIT_CODES,
    )
    checker.add_argument("files", nargs="+", metavar="FILE", help="`-` is the standard input")
    checker.add_argument(
        "--format", choices=("text", "json"), default="text", help="default: %(default)s"
    )
    checker.set_defaults(run=_run_check)


def _run_check(arguments: argparse.Namespace) -> int:
    reports = [(name, _check_file(name)) for name in arguments.files]
    findings = [finding for _, report in reports for finding in report]
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if arguments.format == "json":
        print(json.dumps(_to_json(reports), indent=2, sort_keys=True))
    else:
        for finding in findings:
            print(finding.format(), end="\n\n")
        _print_summary(len(reports), errors, len(findings) - errors)
    return FOUND if errors else OK


def _check_file(name: str) -> tuple[Diagnostic, ...]:
    source = read_source(name)
    try:
        return check(parse(source))
    except DiagnosedError as error:
        return error.diagnostics


def _print_summary(files: int, errors: int, warnings: int) -> None:
    parts = [_count(files, "file")]
    parts += [_count(errors, "error")] if errors else []
    parts += [_count(warnings, "warning")] if warnings else []
    print(", ".join(parts) + ("" if errors or warnings else ": nothing to report"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _to_json(reports: Sequence[tuple[str, tuple[Diagnostic, ...]]]) -> dict[str, Any]:
    return {
        "schema": "idol.check/1",
        "files": [
            {"file": name, "findings": [_finding_to_json(finding) for finding in report]}
            for name, report in reports
        ],
    }


def _finding_to_json(finding: Diagnostic) -> dict[str, Any]:
    end = finding.source.get_location(finding.span.end)
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "message": finding.message,
        "line": finding.location.line,
        "column": finding.location.column,
        "end_line": end.line,
        "end_column": end.column,
        "hint": finding.hint,
        "related": [
            {
                "message": related.message,
                "line": finding.source.get_location(related.span.start).line,
                "column": finding.source.get_location(related.span.start).column,
            }
            for related in finding.related
        ],
    }
