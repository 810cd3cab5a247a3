"""Code shared by `idol client` and `idol server`: files in, Rust stubs out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from idol.cli.codes import EXIT_CODES, FOUND, HOST, OK
from idol.cli.files import (
    SUFFIXES,
    HostError,
    expand_folders,
    make_folder,
    read_source,
    write_if_changed,
)
from idol.errors import DiagnosedError, OptionsError
from idol.hints import Final
from idol.options import StubOptions
from idol.printable import one_line
from idol.reader import parse
from idol.syntax import Interface

__all__ = ["add_generator", "generate", "make_options"]

_FILES_HELP: Final = (
    "several, or a folder for the .idol and .idl files in it, need -d; `-` is the standard input"
)


def add_generator(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str
) -> argparse.ArgumentParser:
    """Add `client` or `server` with what both take, and return it."""
    generator = commands.add_parser(
        name,
        help=f"generate the Rust {name} stub of an interface",
        description=f"Generate the Rust {name} stub of an interface, formatted.",
        epilog=EXIT_CODES,
    )
    _add_output(generator, name)
    _add_choices(generator)
    generator.set_defaults(format="text")
    return generator


def _add_output(generator: argparse.ArgumentParser, name: str) -> None:
    generator.add_argument("files", nargs="+", metavar="FILE", help=_FILES_HELP)
    generator.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        default="-",
        help="file to write, left alone if its content is the same already; "
        "`-`, the default, is the standard output",
    )
    generator.add_argument(
        "-d",
        "--directory",
        metavar="DIR",
        help=f"folder to write to, made if need be: the stub of NAME.idol is NAME_{name}.rs; "
        "of several files all or, where one has errors, none are written",
    )
    generator.add_argument(
        "--cargo",
        action="store_true",
        help="print the `cargo:` lines that a build script passes on (needs -o or -d)",
    )
    generator.add_argument(
        "--no-layout", action="store_true", help="do not indent the text: for compilers only"
    )


def _add_choices(generator: argparse.ArgumentParser) -> None:
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
    generator.add_argument(
        "--counters",
        action="store_true",
        help="count calls and how they end, with the crate `counters`",
    )


def make_options(arguments: argparse.Namespace) -> StubOptions:
    """Return what was chosen for both kinds of stubs."""
    return StubOptions(
        extra_derives=tuple(arguments.derive),
        named_panics=arguments.panics == "named",
        is_formatted=not arguments.no_layout,
        counters=arguments.counters,
    )


Generate = Callable[[Interface, StubOptions], str]


def generate(
    arguments: argparse.Namespace,
    kind: str,
    emit: Generate,
    options: StubOptions,
    dependencies: Sequence[str] = (),
) -> int:
    """Generate the stubs of the files and return the exit code.

    `kind` is "client" or "server"; `dependencies` are cargo's lines of what the options were read
    from.
    """
    folder, output = arguments.directory, arguments.output
    if folder is not None and output != "-":
        raise OptionsError("-o names one file, -d a folder for stubs: give one of them")
    if arguments.cargo and folder is None and output == "-":
        raise OptionsError("--cargo needs -o or -d: the standard output takes the cargo lines")
    directives = [f"cargo:rerun-if-changed={file}" for file in arguments.files]
    directives += dependencies
    if arguments.cargo and not all(map(str.isprintable, directives)):
        raise OptionsError("--cargo: the name of a file has line breaks or control characters")
    if folder is not None:
        code = _generate_folder(arguments.files, folder, kind, emit, options)
    else:
        code = _generate_one(arguments.files, output, emit, options)
    if code == OK and arguments.cargo:
        print("\n".join(directives))
    return code


def _generate_one(files: Sequence[str], output: str, emit: Generate, options: StubOptions) -> int:
    if len(files) > 1:
        raise OptionsError(f"{len(files)} files need a folder for their stubs: -d DIR")
    source = read_source(files[0])
    try:
        text = emit(parse(source), options)
    except DiagnosedError as error:
        print(error, file=sys.stderr)
        return FOUND
    if output == "-":
        sys.stdout.write(text)
    else:
        write_if_changed(output, text)
    return OK


def _generate_folder(
    files: Sequence[str], folder: str, kind: str, emit: Generate, options: StubOptions
) -> int:
    """Generate all stubs, then write them; say everything that is wrong in any of the files."""
    names: dict[str, str] = {}
    stubs: dict[str, str] = {}
    code = OK
    for found in expand_folders(files):
        try:
            if isinstance(found, HostError):
                raise found
            name = _name_stub(found, kind)
            if name in names:
                raise OptionsError(f"{found} and {names[name]} would both be {name} in {folder}")
            names[name] = found
            stubs[name] = emit(parse(read_source(found)), options)
        except DiagnosedError as error:
            print(error, file=sys.stderr)
            code = code or FOUND
        except HostError as error:
            print(one_line(f"error: {error}"), file=sys.stderr)
            code = HOST
    if code == OK:
        make_folder(folder)
        for name, text in stubs.items():
            write_if_changed(os.path.join(folder, name), text)
    return code


def _name_stub(file: str, kind: str) -> str:
    if file == "-":
        raise OptionsError("the standard input has no name to call its stub by: use -o")
    name = os.path.basename(file)
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")
    return f"{name.removesuffix(suffix)}_{kind}.rs"
