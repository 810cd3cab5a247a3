"""`idol client` and `idol server`: generate Rust stubs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from idol.cli.codes import EXIT_CODES, FOUND, OK
from idol.cli.files import read_source, write_if_changed
from idol.errors import DiagnosedError, OptionsError
from idol.options import StubOptions
from idol.parse import parse
from idol.stub import client_stub, server_stub


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `client` and `server`."""
    for name, generate in (("client", client_stub), ("server", server_stub)):
        generator = commands.add_parser(
            name,
            help=f"generate the Rust {name} stub of an interface",
            description=f"Generate the Rust {name} stub of an interface, formatted.",
            epilog=EXIT_CODES,
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


def _run_generator(arguments: argparse.Namespace) -> int:
    if arguments.cargo and arguments.output == "-":
        raise OptionsError("--cargo needs -o: the standard output takes the cargo lines")
    options = StubOptions(
        extra_derives=tuple(arguments.derive), named_panics=arguments.panics == "named"
    )
    source = read_source(arguments.file)
    try:
        text: str = arguments.generate(parse(source), options)
    except DiagnosedError as error:
        print(error, file=sys.stderr)
        return FOUND
    if arguments.output == "-":
        sys.stdout.write(text)
    else:
        write_if_changed(Path(arguments.output), text)
    if arguments.cargo:
        print(f"cargo:rerun-if-changed={arguments.file}")
    return OK
