"""The command `idol`: check interfaces, generate Rust stubs.

argparse and nothing else, so that a build script can run it with any bare Python.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from idol.check import check
from idol.errors import DiagnosedError, OptionsError
from idol.options import StubOptions
from idol.parse import parse
from idol.source import Diagnostic, Severity, Source
from idol.stub import client_stub, server_stub

#: Exit codes, the same as idoldbg's: done, findings, usage, host failed.
OK: Final = 0
FOUND: Final = 1
USAGE: Final = 2
HOST: Final = 4

#: Largest file that is read, in bytes; the largest interface of Hubris has 20 kB.
MAX_FILE_SIZE: Final = 4 * 1024 * 1024

_DESCRIPTION = "Check Idol interface files and generate Rust stubs from them."
_EXIT_CODES = "exit codes: 0 done, 1 the interface has errors, 2 usage, 4 a file cannot be used"


class _HostError(Exception):
    """A file cannot be read or written; the text says which and why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = _make_parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except _HostError as error:
        return _fail(arguments, "host", str(error), HOST)
    except OptionsError as error:
        return _fail(arguments, "usage", str(error), USAGE)
    except BrokenPipeError:
        # The reader of our output went away; keep the interpreter from noticing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return HOST
    return code


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="idol", description=_DESCRIPTION, epilog=_EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    checker = commands.add_parser(
        "check",
        help="report everything that is wrong with interface files",
        description="Report everything that is wrong with interface files, with the place of it.",
        epilog=_EXIT_CODES,
    )
    checker.add_argument("files", nargs="+", metavar="FILE", help="`-` is the standard input")
    checker.add_argument(
        "--format", choices=("text", "json"), default="text", help="default: %(default)s"
    )
    checker.set_defaults(run=_run_check)

    for name, generate in (("client", client_stub), ("server", server_stub)):
        generator = commands.add_parser(
            name,
            help=f"generate the Rust {name} stub of an interface",
            description=f"Generate the Rust {name} stub of an interface, formatted.",
            epilog=_EXIT_CODES,
        )
        generator.add_argument("file", metavar="FILE", help="`-` is the standard input")
        generator.add_argument(
            "-o",
            "--output",
            metavar="OUT",
            default="-",
            help="file to write, left alone if its content is the same already; "
            "`-`, the default, is the standard output",
        )
        generator.add_argument(
            "--cargo",
            action="store_true",
            help="print the `cargo:` lines that a build script passes on (needs -o)",
        )
        generator.add_argument(
            "--derive",
            action="append",
            default=[],
            metavar="TRAIT",
            help="derive one more trait for the operation enum; may be repeated",
        )
        generator.add_argument(
            "--panics",
            choices=("named", "plain"),
            default="named",
            help="named (default): each panic in a function that says what went wrong; "
            "plain: smaller code",
        )
        generator.set_defaults(run=_run_generator, generate=generate, format="text")
    return parser


# -- check -------------------------------------------------------------------------------------


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
    source = _read_source(name)
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


# -- client, server ----------------------------------------------------------------------------


def _run_generator(arguments: argparse.Namespace) -> int:
    if arguments.cargo and arguments.output == "-":
        raise OptionsError("--cargo needs -o: the standard output takes the cargo lines")
    options = StubOptions(
        extra_derives=tuple(arguments.derive), named_panics=arguments.panics == "named"
    )
    source = _read_source(arguments.file)
    try:
        text: str = arguments.generate(parse(source), options)
    except DiagnosedError as error:
        print(error, file=sys.stderr)
        return FOUND
    if arguments.output == "-":
        sys.stdout.write(text)
    else:
        _write_if_changed(Path(arguments.output), text)
    if arguments.cargo:
        print(f"cargo:rerun-if-changed={arguments.file}")
    return OK


# -- files -------------------------------------------------------------------------------------


def _read_source(name: str) -> Source:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_FILE_SIZE + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_FILE_SIZE + 1)
    except IsADirectoryError:
        raise _HostError(f"{name} is a directory: name the .idol files in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _HostError(f"{name} cannot be read: {reason}") from None
    if len(data) > MAX_FILE_SIZE:
        raise _HostError(f"{name} is larger than {MAX_FILE_SIZE} bytes: is it an Idol file?")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _HostError(
            f"{name} is not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start}"
        ) from None
    return Source("<stdin>" if name == "-" else name, text)


def _write_if_changed(path: Path, text: str) -> None:
    """Replace a file as a whole or not at all; the same content leaves its time alone."""
    data = text.encode()
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        # In the same directory, so that the rename is atomic.
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_get_umask()
            Path(temporary).chmod(mode)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError as error:
        raise _HostError(f"{path} cannot be written: {error.strerror or error}") from None


def _get_umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _fail(arguments: argparse.Namespace, kind: str, message: str, code: int) -> int:
    if arguments.format == "json":
        error = {"error": {"kind": kind, "message": message}}
        print(json.dumps(error, sort_keys=True), file=sys.stderr)
    else:
        print(f"idol: {message}", file=sys.stderr)
    return code
