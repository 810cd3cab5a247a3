"""The command `idol`: check, lay out, document and compare interfaces, generate Rust stubs.

Each command is a module of its own with one function `add_command`, which describes it to argparse.
argparse and nothing else, so that a build script can run it with any bare Python. This file lists
the commands, and is the one place where errors become messages and exit codes.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from idol.cli.codes import EXIT_CODES, FOUND, HOST, INTERRUPTED, USAGE
from idol.cli.files import HostError
from idol.cli.parser import Parser, Version, parse_arguments
from idol.errors import DiagnosedError, IdolError, OptionsError
from idol.hints import Final
from idol.printable import escape_json, one_line
from idol.streams import use_surrogateescape

__all__ = ["COMMANDS", "main", "make_parsers"]

#: The module of each command, in the order of the overview.
COMMANDS: Final = {
    "check": "idol.cli.check",
    "explain": "idol.cli.explain",
    "fmt": "idol.cli.fmt",
    "doc": "idol.cli.doc",
    "diff": "idol.cli.diff",
    "client": "idol.cli.client",
    "server": "idol.cli.server",
    "lsp": "idol.lsp.command",
}

_DESCRIPTION = (
    "Check, lay out, document and compare Idol interface files, and generate Rust stubs from them."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    use_surrogateescape()
    argv = sys.argv[1:] if argv is None else argv
    try:
        return _run(argv)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    parser, commands = make_parsers(argv)
    arguments = parse_arguments(parser, commands, COMMANDS, argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except HostError as error:
        return _fail(arguments, error, "host", HOST)
    except OptionsError as error:
        return _fail(arguments, error, "usage", USAGE)
    except IdolError as error:
        return _fail(arguments, error, "interface", FOUND)
    except BrokenPipeError:
        _drop_output()
        return HOST
    except OSError as error:  # files have errors of their own: this is the output
        _drop_output()
        return _fail(arguments, HostError(f"cannot write: {error.strerror or error}"), "host", HOST)
    return code


def _drop_output() -> None:
    """Keep the interpreter from noticing at exit that nobody takes the rest of the output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_parsers(
    argv: Sequence[str] = (),
) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser as a whole, and those of its commands; only of one that `argv` begin with.

    A build script calls often: the modules of the other commands take longer than a small file.
    """
    parser = Parser(prog="idol", description=_DESCRIPTION, epilog=EXIT_CODES)
    parser.add_argument("--version", action=Version, help="print the version and exit")
    commands = parser.add_subparsers(prog=parser.prog, required=True, metavar="COMMAND")
    named = [COMMANDS[word] for word in argv[:1] if word in COMMANDS]
    for module in dict.fromkeys(named or COMMANDS.values()):
        __import__(module)  # `importlib` would bring `warnings`
        sys.modules[module].add_command(commands)
    return parser, commands.choices


def _fail(arguments: argparse.Namespace, error: Exception, kind: str, code: int) -> int:
    if arguments.format == "json":
        import json

        shown = {"error": {"kind": kind, "message": str(error)}}
        print(escape_json(json.dumps(shown, sort_keys=True)), file=sys.stderr)
    elif isinstance(error, DiagnosedError):
        print(error, file=sys.stderr)  # begins with the file's name
    else:
        print(one_line(f"error: {error}"), file=sys.stderr)
    return code
