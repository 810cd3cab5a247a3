"""`idol fmt`: lay out interface files in the one way."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from idol.cli.codes import EXIT_CODES, FOUND, HOST, OK
from idol.cli.files import (
    FILES_HELP,
    HostError,
    expand_folders,
    read_source,
    write_if_changed,
)
from idol.errors import IdolError, OptionsError
from idol.format import format_text
from idol.printable import TAB, one_line


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `fmt`."""
    parser = commands.add_parser(
        "fmt",
        help="lay out interface files in the one way",
        description="Lay out interface files in the one way. Comments stay in place, the meaning "
        "stays the same; a file is only written if that changes it.",
        epilog=f"{EXIT_CODES}; with --check, 1 also means that a file is laid out otherwise",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help=f"{FILES_HELP}, whose result goes to the standard output",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; name the files that would change"
    )
    parser.add_argument("--diff", action="store_true", help="write nothing; show what would change")
    parser.set_defaults(run=_run, format="text")


def _run(arguments: argparse.Namespace) -> int:
    if len(set(arguments.files)) < len(arguments.files):
        raise OptionsError("a file is named twice")
    code = OK
    for name in expand_folders(arguments.files):
        try:
            if isinstance(name, HostError):
                raise name
            code = max(code, _format_file(name, arguments))
        except IdolError as error:
            print(error, file=sys.stderr)
            code = max(code, FOUND)
        except HostError as error:
            print(one_line(f"error: {error}"), file=sys.stderr)
            code = HOST
    return code


def _format_file(name: str, arguments: argparse.Namespace) -> int:
    source = read_source(name)
    text = format_text(source)
    if arguments.diff:
        sys.stdout.write(_make_diff(source.name, source.text, text))
    if not arguments.check and not arguments.diff:
        if name == "-":
            sys.stdout.write(text)
        else:
            write_if_changed(Path(name), text)
        return OK
    if arguments.check and text != source.text:
        if not arguments.diff:
            print(one_line(source.name))
        return FOUND
    return OK


def _make_diff(name: str, before: str, after: str) -> str:
    # Split at line feeds alone: `splitlines` would also split at characters inside of strings.
    lines = difflib.unified_diff(
        _split_lines(before), _split_lines(after), name, f"{name} (formatted)", lineterm=""
    )
    # Marks in front of the lines do not protect: a service obeys commands after a blank as well.
    shown = (part for line in lines for part in line.split("\n"))
    return "".join(f"{one_line(line, keep=TAB)}\n" for line in shown)


def _split_lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], f"{lines[-1]}\n\\ No newline at end of file"]
