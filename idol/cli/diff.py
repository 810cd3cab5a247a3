"""`idol diff`: say whether two versions of an interface can still talk."""

from __future__ import annotations

import argparse
import sys

from idol.cli.codes import EXIT_CODES, FOUND, OK
from idol.cli.files import read_source
from idol.diff import compare
from idol.errors import InterfaceError, OptionsError
from idol.reader import parse
from idol.report.changes import changes_to_json, changes_to_text
from idol.syntax import Interface


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `diff`."""
    parser = commands.add_parser(
        "diff",
        help="say whether two versions of an interface can still talk",
        description="Compare two versions of an interface: what callers and servers built with "
        "the old one notice of the new one.",
        epilog=f"{EXIT_CODES}; 1 also means that a change breaks callers, or might",
    )
    parser.add_argument("old", metavar="OLD", help="`-` is the standard input")
    parser.add_argument("new", metavar="NEW", help="`-` is the standard input")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="default: %(default)s"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.old == arguments.new == "-":
        raise OptionsError("the standard input can be one of the two files only")
    comparison = compare(_read(arguments.old), _read(arguments.new))
    render = changes_to_json if arguments.format == "json" else changes_to_text
    sys.stdout.write(render(comparison))
    return FOUND if comparison.is_breaking else OK


def _read(name: str) -> Interface:
    interface = parse(read_source(name))
    if interface.errors:
        raise InterfaceError(interface.errors)
    return interface
