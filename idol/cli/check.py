"""`idol check`: report everything that is wrong with interface files."""

from __future__ import annotations

import argparse
import sys

from idol.checks import check
from idol.cli.codes import EXIT_CODES, FOUND, HOST, OK
from idol.cli.files import FILES_HELP, HostError, expand_folders, read_source
from idol.errors import DiagnosedError, OptionsError
from idol.findings import Level
from idol.printable import one_line
from idol.reader import parse
from idol.report import FORMATS, FileReport
from idol.rules import RULES, advise
from idol.source import Diagnostic


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check`."""
    parser = commands.add_parser(
        "check",
        help="report everything that is wrong with interface files",
        description="Report everything that is wrong with interface files, with the place of it. "
        "`idol explain RULE` says more about a rule.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help=FILES_HELP)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="also report what is allowed and still rarely meant",
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="RULE",
        help="do not report a rule that is a warning or note; may be repeated",
    )
    parser.add_argument(
        "--fail-on",
        choices=[str(level) for level in Level],
        default="error",
        help="exit with 1 from this severity on; default: %(default)s",
    )
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="text",
        help="sarif: for code scanners; github: annotations of a workflow run; "
        "default: %(default)s",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    ignored = frozenset(_get_ignored(name) for name in arguments.ignore)
    reports: list[FileReport] = []
    unreadable: list[HostError] = []
    for name in expand_folders(arguments.files):
        try:
            if isinstance(name, HostError):
                raise name
            findings = _check_file(name, arguments.strict)
        except HostError as error:
            unreadable.append(error)
            continue
        kept = tuple(finding for finding in findings if finding.rule not in ignored)
        reports.append(FileReport(name, kept))
    if unreadable and not reports:
        for other in unreadable[:-1]:
            print(one_line(f"error: {other}"), file=sys.stderr)
        raise unreadable[-1]
    print(FORMATS[arguments.format](tuple(reports)), end="")
    sys.stdout.flush()  # before what is said on the other stream
    for other in unreadable:
        print(one_line(f"error: {other}"), file=sys.stderr)
    if unreadable:
        return HOST
    least = Level(arguments.fail_on).rank
    found = any(f.severity.rank <= least for report in reports for f in report.findings)
    return FOUND if found else OK


def _get_ignored(name: str) -> str:
    if name not in RULES:
        raise OptionsError(f"--ignore: unknown rule `{name}`: {advise(name)}")
    if RULES[name].level is Level.ERROR:
        raise OptionsError(f"{name} is an error and cannot be ignored: the generators stop at it")
    return name


def _check_file(name: str, strict: bool) -> tuple[Diagnostic, ...]:
    source = read_source(name)
    try:
        return check(parse(source), strict=strict)
    except DiagnosedError as error:
        return error.diagnostics
