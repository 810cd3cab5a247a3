"""The command `idol`: check interfaces, generate Rust stubs.

Each command is a module of its own with one function `add_command`, which describes it to argparse.
argparse and nothing else, so that a build script can run it with any bare Python. This file lists
the commands, and is the one place where errors become messages and exit codes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Final

from idol.cli.codes import EXIT_CODES, FOUND, HOST, USAGE
from idol.cli.files import HostError
from idol.errors import DiagnosedError, IdolError, OptionsError

__all__ = ["COMMANDS", "main", "make_parser"]

#: The modules that add commands, in the order of the overview.
COMMANDS: Final = ("check", "explain", "fmt", "doc", "diff", "generate")

_DESCRIPTION = "Check Idol interface files and generate Rust stubs from them."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = make_parser().parse_args(argv)
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
        # The reader of our output went away; keep the interpreter from noticing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return HOST
    return code


def make_parser() -> argparse.ArgumentParser:
    """Describe the whole command line."""
    parser = argparse.ArgumentParser(prog="idol", description=_DESCRIPTION, epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"idol.cli.{name}").add_command(commands)
    return parser


def _fail(arguments: argparse.Namespace, error: Exception, kind: str, code: int) -> int:
    if arguments.format == "json":
        shown = {"error": {"kind": kind, "message": str(error)}}
        print(json.dumps(shown, sort_keys=True), file=sys.stderr)
    elif isinstance(error, DiagnosedError):
        print(error, file=sys.stderr)  # begins with the file's name
    else:
        print(f"idol: {error}", file=sys.stderr)
    return code
